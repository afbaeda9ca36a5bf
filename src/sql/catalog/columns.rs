//! The columns that a catalog has, and what is wrong with a relation's.

use crate::catalog::SCHEMA_VERSION;
use crate::sql::shared::shapes::BOX;
use crate::sql::shared::windows::WIN;

/// The type of a raster's bands.
pub const BAND: &str =
    "STRUCT(name VARCHAR, dtype VARCHAR, nodata DOUBLE, scale DOUBLE, \"offset\" DOUBLE, unit VARCHAR)[]";
/// The type of an array file's variables.
pub const VARIABLE: &str = "STRUCT(name VARCHAR, dims VARCHAR[], shape BIGINT[], dtype VARCHAR, nodata DOUBLE, scale DOUBLE, \"offset\" DOUBLE, unit VARCHAR)[]";

/// A column by name with its type as SQL.
pub type Named = (String, String);

/// A column of a catalog that a macro computes with.
struct Rule {
    name: &'static str,
    must: &'static str,
    fits: fn(&str) -> bool,
    /// A column of another name and this type is likely to be it.
    renamed: bool,
    /// How to mend a relation without it, or with it in another type.
    remedy: fn(&str) -> &'static str,
}

fn is_box(ty: &str) -> bool {
    let Some(fields) = ty.strip_prefix("STRUCT(").and_then(|t| t.strip_suffix(')')) else { return false };
    let parts: Vec<(&str, &str)> = fields.split(", ").filter_map(|f| f.split_once(' ')).collect();
    ["xmin", "ymin", "xmax", "ymax"]
        .iter()
        .all(|name| parts.iter().any(|(n, t)| n == name && (*t == "DOUBLE" || *t == "FLOAT")))
}

fn is_time(ty: &str) -> bool {
    matches!(ty, "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS" | "TIMESTAMP_NS")
}

fn time_remedy(ty: &str) -> &'static str {
    match ty {
        "TIMESTAMP WITH TIME ZONE" => "Put it into UTC with AT TIME ZONE 'UTC'",
        "" => "Where nothing is dated, NULL::TIMESTAMP matches every interval",
        _ => "Cast it with ::TIMESTAMP",
    }
}

static RULES: [Rule; 7] = [
    Rule {
        name: "path",
        must: "VARCHAR",
        fits: |ty| ty == "VARCHAR",
        renamed: false,
        remedy: |_| "Name each row's file",
    },
    Rule {
        name: "geometry",
        must: "GEOMETRY",
        fits: |ty| ty == "GEOMETRY",
        renamed: true,
        remedy: |ty| match ty {
            "BLOB" => "Read WKB with ST_GeomFromWKB(geometry), and give it its CRS with ST_SetCRS",
            "VARCHAR" => "Read WKT with geometry::GEOMETRY, and give it its CRS with ST_SetCRS",
            _ => "Make it of a box with geo_box(bbox)",
        },
    },
    Rule {
        name: "bbox",
        must: BOX,
        fits: is_box,
        renamed: true,
        remedy: |_| "Make it of the geometry with geo_bbox(geometry)",
    },
    Rule { name: "t_min", must: "TIMESTAMP", fits: is_time, renamed: false, remedy: time_remedy },
    Rule { name: "t_max", must: "TIMESTAMP", fits: is_time, renamed: false, remedy: time_remedy },
    Rule { name: "patch_id", must: "BIGINT", fits: |_| true, renamed: false, remedy: grid_remedy },
    Rule {
        name: "win",
        must: WIN,
        fits: |ty| ty.starts_with("STRUCT("),
        renamed: false,
        remedy: grid_remedy,
    },
];

fn grid_remedy(_: &str) -> &'static str {
    "Give the grid first, as geo_patch_grid makes it, and then the catalog"
}

/// What is wrong with one column, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its name.
    pub column: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// How it is put right.
    pub remedy: String,
}

fn is_ruled(name: &str) -> bool {
    RULES.iter().any(|rule| name.eq_ignore_ascii_case(rule.name))
}

/// What keeps a relation with these columns from being a catalog, as far as `needed` columns go.
pub fn problems(columns: &[Named], needed: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in RULES.iter().filter(|rule| needed.contains(&rule.name)) {
        let found = columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(rule.name));
        let problem = match found {
            Some((_, ty)) if (rule.fits)(ty) => continue,
            Some((_, ty)) => format!("is {ty}, and must be {}", rule.must),
            None => "is missing".to_string(),
        };
        let other = || columns.iter().find(|(name, ty)| !is_ruled(name) && (rule.fits)(ty));
        let remedy = match found.map_or_else(other, |_| None).filter(|_| rule.renamed) {
            // It is there, under another writer's name.
            Some((name, _)) => format!(
                "Name the column \"{name}\" so: SELECT * RENAME (\"{}\" AS {}) FROM ...",
                name.replace('"', "\"\""),
                rule.name
            ),
            None => (rule.remedy)(found.map_or("", |(_, ty)| ty)).to_string(),
        };
        problems.push(Problem { column: rule.name, problem, remedy });
    }
    problems
}

/// What a column must be and how it becomes that, where a macro cannot compute with its type: a geometry that is none, a box or a
/// window that is no STRUCT.
pub fn mistyped(name: &str, ty: &str) -> Option<(&'static str, String)> {
    let rule = RULES.iter().find(|rule| rule.name.eq_ignore_ascii_case(name))?;
    let fits = match rule.name {
        "geometry" => (rule.fits)(ty),
        "bbox" | "win" => ty.starts_with("STRUCT("),
        _ => true,
    };
    let remedy = match rule.name {
        "win" => "Make it so: {row_off: ..., col_off: ..., height: ..., width: ...}",
        _ => (rule.remedy)(ty),
    };
    (!fits && ty != "NULL").then(|| (rule.must, remedy.to_string()))
}

/// The columns that every macro of the algebra stands on.
pub const ALGEBRA: [&str; 4] = ["geometry", "bbox", "t_min", "t_max"];

/// What a patch grid cannot do without.
pub const GRID: [&str; 2] = ["patch_id", "win"];

/// What is wrong with a row's `schema_version`.
pub fn version_problem(version: i64) -> Option<String> {
    let known = i64::from(SCHEMA_VERSION);
    match version {
        version if version == known => None,
        version if (0..known).contains(&version) => {
            Some(format!("schema_version {version} is an earlier one: catalog_migrate brings it to {known}"))
        }
        version => Some(format!("schema_version {version} is unknown: this geoquilt writes {known}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, ty: &str) -> Named {
        (name.to_string(), ty.to_string())
    }

    #[test]
    fn each_missing_or_mistyped_column_is_named_once() {
        let boxed = column("bbox", BOX);
        let whole = [
            column("geometry", "GEOMETRY"),
            boxed.clone(),
            column("T_MIN", "TIMESTAMP"),
            column("t_max", "TIMESTAMP_NS"),
        ];
        assert_eq!(problems(&whole, &ALGEBRA), Vec::new());
        let broken = [column("geometry", "BLOB"), boxed, column("t_min", "DATE")];
        let found: Vec<_> = problems(&broken, &ALGEBRA).into_iter().map(|p| (p.column, p.problem)).collect();
        assert_eq!(
            found,
            [
                ("geometry", "is BLOB, and must be GEOMETRY".to_string()),
                ("t_min", "is DATE, and must be TIMESTAMP".to_string()),
                ("t_max", "is missing".to_string()),
            ]
        );
        assert!(!is_box("STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE)") && !is_box("DOUBLE[]"));
    }
}
