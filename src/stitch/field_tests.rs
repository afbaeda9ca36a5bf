//! Laws of fields: what was split comes back, whatever the order, the parts and the taper.

use super::*;
use crate::dtype::Dtype;
use crate::dtype::with_dtype;
use crate::grid::edge::EDGES;
use crate::stitch::taper::Curve;
use crate::stitch::tile::METHODS;
use crate::testing::Draw;
use crate::window::Window;

fn plan(sides: &[i64], method: Method, taper: Taper, wide: bool) -> Arc<Plan> {
    let canvas = Canvas::new(sides).unwrap();
    Arc::new(Plan { canvas, method, taper, tapered: false, normalise: true, skip_nan: false, wide })
}

fn tapers() -> Vec<Taper> {
    let curves = [Curve::Boxcar, Curve::Hann, Curve::Tukey { alpha: 0.4 }, Curve::Gaussian { sigma: 0.25 }];
    let both = |curve: &Curve| [false, true].map(|symmetric| Taper { curve: curve.clone(), symmetric });
    curves.iter().flat_map(both).collect()
}

/// All that is told, band by band and plane by plane; `None` where nothing lies.
fn told(field: &Field, told: Told) -> Vec<Option<f64>> {
    let mut all = Vec::new();
    for band in 0..field.out_bands() {
        for plane in 0..field.plan().canvas.planes() {
            for strip in 0..field.strips() {
                let mut out = Strip::default();
                field.strip((band, plane), strip, told, &mut out);
                all.extend(out.values.iter().zip(&out.laid).map(|(v, laid)| laid.then_some(*v)));
            }
        }
    }
    all
}

/// The pixels of a canvas, some of which are NULL, and a patch of it, with NULL beyond its edges.
struct Scene<T> {
    sides: [usize; 3],
    pixels: Vec<Option<T>>,
}

impl<T: Pixel> Scene<T> {
    fn draw(draw: &mut Draw, sides: [usize; 3]) -> Scene<T> {
        let n = sides.iter().product();
        let one = |draw: &mut Draw| (!draw.chance(9)).then(|| T::of(draw.number(-0.5, 1.0) * 2e9));
        Scene { sides, pixels: (0..n).map(|_| one(draw)).collect() }
    }

    fn patch(&self, window: &Window) -> (Vec<T>, Vec<bool>) {
        let [bands, height, width] = self.sides;
        let mut out = (Vec::new(), Vec::new());
        for band in 0..bands {
            for row in window.row_off..window.row_end() {
                for col in window.col_off..window.col_end() {
                    let on = (0..height as i64).contains(&row) && (0..width as i64).contains(&col);
                    let at = (band * height) as i64 * width as i64 + row * width as i64 + col;
                    let pixel = if on { self.pixels[at as usize] } else { None };
                    out.0.push(pixel.unwrap_or_default());
                    out.1.push(pixel.is_some());
                }
            }
        }
        out
    }
}

/// Lays patches, in pieces of a length drawn.
fn lay<T: Pixel>(field: &mut Field, scene: &Scene<T>, windows: &[Window], draw: &mut Draw) {
    for window in windows {
        let span = Span { lead: Vec::new(), window: *window };
        let (values, valid) = scene.patch(window);
        let patch = field.begin(&span, values.len(), Own::default()).unwrap();
        let mut at = 0;
        while at < values.len() {
            let length = (draw.between(1, 300) as usize).min(values.len() - at);
            let known = Some(|i: usize| valid[at + i]);
            field.lay(&patch, at, &values[at..at + length], known);
            at += length;
        }
    }
}

#[test]
fn stitching_what_was_split_gives_it_back_for_every_taper_edge_stride_and_type() {
    let mut draw = Draw::new(1);
    for (name, edge) in EDGES {
        for taper in tapers() {
            let (bands, height, width) = (draw.between(1, 2), draw.between(9, 80), draw.between(9, 300));
            let size = draw.between(2, 9) as usize;
            let stride = draw.between(1, size as i64) as usize;
            let starts = |n: i64| edge.starts(n as usize, size, stride).unwrap();
            let window = |row: i64, col: i64| Window::new(row, col, size as i64, size as i64).unwrap();
            let windows: Vec<Window> = starts(height)
                .into_iter()
                .flat_map(|row| starts(width).into_iter().map(move |col| (row, col)))
                .map(|(row, col)| window(row, col))
                .collect();
            let sides = [bands, height, width].map(|side| side as usize);
            for (_, dtype) in crate::dtype::DTYPES {
                let wide = dtype.worked_out() == Dtype::Float64;
                with_dtype!(dtype, T => {
                    let scene = Scene::<T>::draw(&mut draw, sides);
                    let mut field = Field::new(plan(&[height, width], Method::OverlapAdd, taper.clone(), wide));
                    lay(&mut field, &scene, &windows, &mut draw);
                    let covered = |at: usize| {
                        let (row, col) = ((at / sides[2] % sides[1]) as i64, (at % sides[2]) as i64);
                        windows.iter().any(|w| {
                            (w.row_off..w.row_end()).contains(&row) && (w.col_off..w.col_end()).contains(&col)
                        })
                    };
                    for (at, (got, want)) in told(&field, Told::Value).iter().zip(&scene.pixels).enumerate() {
                        let want = want.filter(|_| covered(at));
                        // A narrow field is told in floats of 32 bits.
                        let as_told = |v: f64| if wide { v } else { f64::from(v as f32) };
                        assert_eq!(got.map(as_told), want.map(|v| v.f64()), "{name} {taper:?} {dtype} {at}");
                    }
                });
            }
        }
    }
}

#[test]
fn weights_known_from_places_are_those_laid_pixel_by_pixel_in_any_order() {
    let mut draw = Draw::new(4);
    for taper in
        tapers().into_iter().chain([Taper { curve: Curve::Own(vec![0.0, 1.0, 2.0]), symmetric: false }])
    {
        for method in [Method::OverlapAdd, Method::Mean, Method::Sum, Method::Count, Method::Weighted] {
            let plan = plan(&[150, 400], method, taper.clone(), false);
            let own_taper = matches!(plan.taper.curve, Curve::Own(_));
            let windows: Vec<Window> = (0..40)
                .map(|_| {
                    let (height, width) =
                        if own_taper { (3, 3) } else { (draw.between(5, 90), draw.between(20, 300)) };
                    Window::new(draw.between(1 - height, 149), draw.between(1 - width, 399), height, width)
                        .unwrap()
                })
                .collect();
            let rows: Vec<Vec<f32>> = windows
                .iter()
                .map(|window| (0..2 * window.area()).map(|_| draw.number(-9.0, 9.0) as f32).collect())
                .collect();
            let lay = |field: &mut Field, at: usize, piece: usize| {
                let span = Span { lead: Vec::new(), window: windows[at] };
                let weight = (method == Method::Weighted).then(|| 0.3 + at as f64 % 4.0);
                let patch = field.begin(&span, rows[at].len(), Own { weight, ..Own::default() }).unwrap();
                for (i, values) in rows[at].chunks(piece).enumerate() {
                    field.lay(&patch, i * piece, values, None::<fn(usize) -> bool>);
                }
            };
            let field = |order: &mut dyn Iterator<Item = usize>, whole: &dyn Fn(usize) -> bool| {
                let mut field = Field::new(plan.clone());
                order.for_each(|at| lay(&mut field, at, if whole(at) { usize::MAX } else { 77 }));
                field
            };
            let by_pixel = field(&mut (0..40), &|_| false);
            let mut merged = field(&mut (0..13), &|_| true);
            merged.merge(&field(&mut (13..40).rev(), &|_| true)).unwrap();
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * (1.0 + a.abs()),
                (a, b) => a.is_none() && b.is_none(),
            };
            for what in [Told::Value, Told::Weight] {
                let want = told(&by_pixel, what);
                for other in
                    [&merged, &field(&mut (0..40), &|_| true), &field(&mut (0..40), &|at| at % 3 > 0)]
                {
                    let got = told(other, what);
                    assert!(
                        want.iter().zip(&got).all(|(a, b)| close(*a, *b)),
                        "{method:?} {what:?} {taper:?}"
                    );
                }
            }
            assert_eq!(told(&merged, Told::Weight), told(&field(&mut (0..40), &|_| true), Told::Weight));
        }
    }
}

#[test]
fn many_patches_on_few_pixels_take_the_room_of_the_pixels() {
    let mut draw = Draw::new(8);
    let plan = plan(&[40, 40], Method::OverlapAdd, Taper { curve: Curve::Hann, symmetric: false }, false);
    let windows: Vec<Window> = (0..3 * CROWD)
        .map(|_| Window::new(draw.between(-7, 39), draw.between(-7, 39), 8, 8).unwrap())
        .collect();
    let values: Vec<f32> = (0..64).map(|_| draw.number(-9.0, 9.0) as f32).collect();
    let lay = |windows: &[Window], piece: usize| {
        let mut field = Field::new(plan.clone());
        for window in windows {
            let span = Span { lead: Vec::new(), window: *window };
            let patch = field.begin(&span, 64, Own::default()).unwrap();
            for (i, values) in values.chunks(piece).enumerate() {
                field.lay(&patch, i * piece, values, None::<fn(usize) -> bool>);
            }
        }
        field
    };
    let (whole, by_pixel) = (lay(&windows, 64), lay(&windows, 63));
    let mut parts = lay(&windows[..CROWD - 1], 64);
    let pixels = 40 * 40 * 16;
    assert_eq!(by_pixel.bytes(), pixels);
    assert!(parts.bytes() > pixels);
    parts.merge(&lay(&windows[CROWD - 1..], 64)).unwrap();
    assert!(parts.bytes() == pixels && whole.bytes() <= pixels + CROWD * 64, "{}", whole.bytes());
    for what in [Told::Value, Told::Weight] {
        let want = told(&by_pixel, what);
        for got in [&whole, &parts].map(|field| told(field, what)) {
            let close = |(a, b): (&Option<f64>, &Option<f64>)| {
                (a.unwrap() - b.unwrap()).abs() < 1e-10 * a.unwrap().abs().max(1.0)
            };
            assert!(want.iter().zip(&got).all(close), "{what:?}");
        }
    }
}

#[test]
fn parts_in_any_order_give_the_whole() {
    let mut draw = Draw::new(2);
    for (name, method) in METHODS {
        for wide in [false, true] {
            let plan = plan(&[70, 270], method, Taper { curve: Curve::Hann, symmetric: false }, wide);
            let scene = Scene::<f32>::draw(&mut draw, [2, 70, 270]);
            let windows: Vec<Window> = (0..60).map(|_| draw.window(70, 270)).collect();
            let rank = |window: &Window| (window.row_off * 1000 + window.col_off) as f64;
            let part = |windows: &[Window]| {
                let mut field = Field::new(plan.clone());
                for window in windows {
                    let span = Span { lead: Vec::new(), window: *window };
                    // What the patches hold differs from patch to patch.
                    let (values, valid) = scene.patch(window);
                    let values: Vec<f32> = values.iter().map(|v| v * (1.0 + window.width as f32)).collect();
                    let own = Own { rank: Some(rank(window)), ..Own::default() };
                    let patch = field.begin(&span, values.len(), own).unwrap();
                    field.lay(&patch, 0, &values, Some(|i: usize| valid[i]));
                }
                field
            };
            let whole = told(&part(&windows), Told::Value);
            let mut back = windows.clone();
            back.reverse();
            let mut merged = Field::new(plan.clone());
            for part_of in back.chunks(7) {
                merged.merge(&part(part_of)).unwrap();
            }
            for (a, b) in whole.iter().zip(told(&merged, Told::Value)) {
                let same = match (a, b) {
                    (Some(a), Some(b)) if wide => *a == b,
                    (Some(a), Some(b)) => *a as f32 == b as f32 || (a - b).abs() <= 1e-15 * a.abs(),
                    (a, b) => a.is_none() && b.is_none(),
                };
                assert!(same, "{name} {wide}: {a:?} {b:?}");
            }
        }
    }
}

#[test]
fn windows_of_more_axes_are_laid_on_their_planes() {
    let mut draw = Draw::new(3);
    let (depth, height, width) = (5usize, 7usize, 9usize);
    let pixels: Vec<f32> = (0..2 * depth * height * width).map(|_| draw.number(-9.0, 9.0) as f32).collect();
    for taper in tapers() {
        let mut field = Field::new(plan(&[5, 7, 9], Method::OverlapAdd, taper, false));
        for start in -1..4i64 {
            let spans = [(0i64, 0i64), (3, -2), (3, 4), (0, 5)];
            for (row, col) in spans {
                let window = Window::new(row, col, 4, 6).unwrap();
                let span = Span { lead: vec![(start, 2)], window };
                let (mut values, mut valid) = (Vec::new(), Vec::new());
                for band in 0..2i64 {
                    for (z, y, x) in (start..start + 2)
                        .flat_map(|z| (row..row + 4).map(move |y| (z, y)))
                        .flat_map(|(z, y)| (col..col + 6).map(move |x| (z, y, x)))
                    {
                        let on = (0..5).contains(&z) && (0..7).contains(&y) && (0..9).contains(&x);
                        let at = ((band * 5 + z) * 7 + y) * 9 + x;
                        values.push(if on { pixels[at as usize] } else { 0.0 });
                        valid.push(on);
                    }
                }
                let patch = field.begin(&span, values.len(), Own::default()).unwrap();
                field.lay(&patch, 0, &values, Some(|i: usize| valid[i]));
            }
        }
        for (got, want) in told(&field, Told::Value).iter().zip(&pixels) {
            assert_eq!(got.map(|v| v as f32), Some(*want));
        }
    }
}

#[test]
fn memory_follows_what_was_laid_and_comes_back() {
    let plan = plan(&[1_000_000, 1_000_000], Method::Mean, Taper::BOXCAR, false);
    let mut field = Field::new(plan);
    let span = Span { lead: Vec::new(), window: Window::new(500_000, 700_000, 4, 4).unwrap() };
    let patch = field.begin(&span, 16, Own::default()).unwrap();
    field.lay(&patch, 0, &[1.0f32; 16], None::<fn(usize) -> bool>);
    assert!(field.bytes() <= 2 * 16 * ROWS * COLS, "{}", field.bytes());
    field.forget(500_000 / ROWS);
    assert_eq!(field.bytes(), 0);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut field = Field::new(plan(&[10, 10], Method::Mean, Taper::BOXCAR, false));
    let span = |row: i64| Span { lead: Vec::new(), window: Window::new(row, 0, 4, 4).unwrap() };
    let (on, off) = (span(0), span(10));
    assert!(field.begin(&off, 16, Own::default()).is_err());
    assert!(field.begin(&on, 15, Own::default()).is_err() && field.begin(&on, 0, Own::default()).is_err());
    assert!(field.begin(&on, 32, Own::default()).is_ok());
    assert!(field.begin(&on, 16, Own::default()).is_err());
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(field.begin(&on, 32, Own { weight: Some(weight), ..Own::default() }).is_err());
    }
    let each = [1.0; 3];
    assert!(field.begin(&on, 32, Own { each: Some(&each), ..Own::default() }).is_err());
}
