-- stitch(data, win, canvas, ...): patches laid on one canvas as a field. Documented in src/sql/stitch/stitch.rs.
CREATE OR REPLACE MACRO geoquilt.main.stitch(data, win, canvas, method := 'overlap_add', taper := 'hann', weight := NULL,
    variance := NULL, rank := NULL, periodic := true, alpha := 0.5, sigma := 0.25, tapered := false, normalise := true,
    skip_nan := false, weights := false) AS
gq_stitch(data, win, canvas, {weight: weight, variance: variance, rank: rank},
    {method: method, taper: taper, periodic: periodic, alpha: alpha, sigma: sigma, tapered: tapered,
     normalise: normalise, skip_nan: skip_nan, weights: weights},
    current_setting('geoquilt_aggregate_mb')::UBIGINT, gq_query())
