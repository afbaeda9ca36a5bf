//! The size of a query's box.

/// What a size is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Degrees, both ways.
    Degrees,
    /// Kilometres.
    Kilometres,
}

/// The units by their names.
pub const UNITS: [(&str, Unit); 2] = [("deg", Unit::Degrees), ("km", Unit::Kilometres)];

/// Kilometres of a degree of latitude, as OceanTACO has it.
const KM_OF_DEGREE: f64 = 111.0;
/// Near the poles a box grows no wider than where its latitude's cosine is this.
const LEAST_COSINE: f64 = 0.1;

/// Side of a box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Above 0.
    pub value: f64,
    /// In what.
    pub unit: Unit,
}

impl Size {
    /// Width and height in degrees around a latitude.
    pub fn degrees(&self, lat: f64) -> (f64, f64) {
        match self.unit {
            Unit::Degrees => (self.value, self.value),
            Unit::Kilometres => {
                let cosine = lat.to_radians().cos().max(LEAST_COSINE);
                (self.value / (KM_OF_DEGREE * cosine), self.value / KM_OF_DEGREE)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilometres_are_wider_in_degrees_towards_the_poles() {
        let size = Size { value: 500.0, unit: Unit::Kilometres };
        let printed = |lat: f64| format!("{:.2} {:.2}", size.degrees(lat).0, size.degrees(lat).1);
        let lats = [0.0, 30.0, 45.0, 60.0];
        assert_eq!(lats.map(printed), ["4.50 4.50", "5.20 4.50", "6.37 4.50", "9.01 4.50"]);
        assert_eq!(size.degrees(90.0).0, size.degrees(-89.0).0);
        assert_eq!(Size { value: 10.0, unit: Unit::Degrees }.degrees(80.0), (10.0, 10.0));
    }
}
