//! Depth from pressure, by TEOS-10 (IOC, SCOR and IAPSO 2010; Roquet and others 2015: `gsw_z_from_p`), for water of standard
//! salinity at 0 degrees Celsius, at rest.

/// The standard ocean's specific enthalpy at a pressure in decibars, less that of no pressure: J / kg.
fn enthalpy(pressure: f64) -> f64 {
    const TERMS: [f64; 7] = [
        9.72661385484387e-4,
        -2.252956605630465e-5,
        2.376909655387404e-6,
        -1.664294869986011e-7,
        -5.988108894465758e-9,
        -2.1078768810e-9,
        2.8019291329e-10,
    ];
    let z = pressure * 1e-4;
    TERMS.iter().rev().fold(0.0, |sum, term| z * (term + sum)) * 1e8
}

/// Metres below the surface, of a sea pressure in decibars at a latitude in degrees.
pub fn depth(pressure: f64, lat: f64) -> f64 {
    const GAMMA: f64 = 2.26e-7;
    let sine = lat.to_radians().sin();
    let square = sine * sine;
    let surface = 9.780327 * (1.0 + (5.2792e-3 + 2.32e-5 * square) * square);
    let half = -0.5 * GAMMA * surface;
    let work = enthalpy(pressure);
    2.0 * work / (surface + (surface * surface - 4.0 * half * work).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_those_of_teos_10() {
        // The check values of gsw_z_from_p, at 4 degrees north.
        let checks = [
            (10.0, 9.9445834469453),
            (50.0, 49.7180897012550),
            (125.0, 124.2726219409978),
            (250.0, 248.4700576548589),
            (600.0, 595.8253480356214),
            (1000.0, 992.0919060719987),
        ];
        for (pressure, want) in checks {
            assert!((depth(pressure, 4.0) - want).abs() < 1e-9, "{pressure} {}", depth(pressure, 4.0));
        }
        assert_eq!(depth(0.0, 60.0), 0.0);
    }
}
