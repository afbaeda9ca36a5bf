-- spatial_blocks(catalog, size): a block of an equal-area grid for each row. Documented in src/sql/splits/spatial_blocks.rs.
CREATE OR REPLACE MACRO geoquilt.main.spatial_blocks(catalog, size, folds := NULL, seed := 7) AS TABLE
WITH gq_rows AS (
    SELECT gq_entry.*, geo_block(gq_entry.geometry, ST_CRS(gq_entry.geometry), CASE
        WHEN size::DOUBLE NOT BETWEEN 0.1 AND 40000 THEN
            error('spatial_blocks(size): ' || size || ' is not valid: must be the side of a block of EPSG:6933 in kilometres, between 0.1 and 40000')
        ELSE size::DOUBLE END) AS gq_block
    FROM query_table(catalog) AS gq_entry
    WHERE true OR geo_catalog_check(gq_entry, {place: 'spatial_blocks(catalog)'})
), gq_blocks AS (
    SELECT list(gq_block ORDER BY gq_block ASC NULLS LAST) AS gq_numbers, list(gq_count::DOUBLE ORDER BY gq_block ASC NULLS LAST) AS gq_weights
    FROM (SELECT gq_block, count(*) AS gq_count FROM gq_rows WHERE gq_block IS NOT NULL GROUP BY gq_block) WHERE folds IS NOT NULL
), gq_guard AS (
    SELECT CASE
        WHEN NOT coalesce(folds >= 2, true) THEN error('spatial_blocks(folds): ' || folds || ' is not valid: must be at least 2')
        WHEN seed IS NULL OR seed < 0 THEN error('spatial_blocks(seed): ' || coalesce(seed::VARCHAR, 'NULL') || ' is not valid: must be 0 or above')
        WHEN folds > len(gq_numbers) THEN
            error('spatial_blocks(folds): ' || folds || ' folds of ' || len(gq_numbers) || ' blocks leave folds empty' || chr(10) || 'Give a smaller size, or at most ' || len(gq_numbers) || ' folds')
    END AS gq_mistake, gq_numbers, gq_weights
    FROM gq_blocks
), gq_folds AS (
    SELECT unnest(gq_numbers) AS gq_block, unnest(geo_deal(gq_weights, folds::BIGINT, seed::BIGINT)) AS gq_fold
    FROM gq_guard WHERE gq_mistake IS NULL AND folds IS NOT NULL
)
SELECT gq_row.* EXCLUDE (gq_block), gq_row.gq_block AS block, gq_fold AS fold
FROM gq_guard CROSS JOIN gq_rows AS gq_row LEFT JOIN gq_folds ON gq_row.gq_block = gq_folds.gq_block
WHERE gq_guard.gq_mistake IS NULL
