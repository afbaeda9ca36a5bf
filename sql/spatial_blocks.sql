-- spatial_blocks(catalog, size): a block of an equal-area grid for each row. Documented in src/sql/grid/spatial_blocks.rs.
CREATE OR REPLACE MACRO geoquilt.main.spatial_blocks(catalog, size) AS TABLE
SELECT gq_entry.*, geo_block(gq_entry.geometry, ST_CRS(gq_entry.geometry), size::DOUBLE) AS block
FROM query_table(catalog) AS gq_entry
WHERE true OR geo_catalog_check(gq_entry, {place: 'spatial_blocks(catalog)'})
