-- catalog_union(a, b): the rows of both, by column name. Documented in src/sql/algebra/catalog_union.rs.
CREATE OR REPLACE MACRO geoquilt.main.catalog_union(a, b, dedupe := false) AS TABLE
WITH gq_left AS (
    SELECT 0 AS gq_side, row_number() OVER () AS gq_index, gq_entry.*
    FROM query_table(a) AS gq_entry
    WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_union(a)', paths: true})
), gq_right AS (
    -- No row of the left one is joined: its column is here for the CRS of its type.
    SELECT 1 AS gq_side, row_number() OVER () AS gq_index, gq_entry.* REPLACE (
        ST_SetCRS(CASE WHEN coalesce(ST_CRS(gq_entry.geometry), 'OGC:CRS84') = coalesce(ST_CRS(gq_type.gq_geometry), 'OGC:CRS84')
            THEN gq_entry.geometry::GEOMETRY
            ELSE geo_project(gq_entry.geometry, coalesce(ST_CRS(gq_entry.geometry), 'OGC:CRS84'), coalesce(ST_CRS(gq_type.gq_geometry), 'OGC:CRS84'))
            END, coalesce(ST_CRS(gq_type.gq_geometry), '')) AS geometry,
        CASE WHEN coalesce(ST_CRS(gq_entry.geometry), 'OGC:CRS84') = coalesce(ST_CRS(gq_type.gq_geometry), 'OGC:CRS84')
            THEN gq_entry.bbox
            ELSE geo_bbox(geo_project(gq_entry.geometry, coalesce(ST_CRS(gq_entry.geometry), 'OGC:CRS84'), coalesce(ST_CRS(gq_type.gq_geometry), 'OGC:CRS84')))
            END AS bbox)
    FROM (SELECT gq_row.* FROM query_table(b) AS gq_row WHERE true OR geo_catalog_check(gq_row, {place: 'catalog_union(b)', paths: true})) AS gq_entry LEFT JOIN (SELECT geometry AS gq_geometry FROM query_table(a) LIMIT 0) AS gq_type ON true
), gq_both AS (
    FROM gq_left UNION ALL BY NAME FROM gq_right
)
SELECT * EXCLUDE (gq_side, gq_index)
FROM gq_both
QUALIFY NOT coalesce(dedupe, false) OR path IS NULL OR row_number() OVER (PARTITION BY encode(path) ORDER BY gq_side ASC NULLS LAST, gq_index ASC NULLS LAST) = 1
ORDER BY gq_side ASC NULLS LAST, gq_index ASC NULLS LAST
