-- catalog_migrate(catalog): any catalog with the columns of schema version 2. Documented in src/sql/catalog/catalog_migrate.rs.
--
-- Version 1 lacks tags and built_with. Version 0, before catalogs told their version, held rasters only: it lacks variables,
-- time_var, n_times, t_step, layers and schema_version too. What a version lacks is NULL, since no file is read; kind of
-- version 0 is 'raster'. Version 2 comes back as it is.
--
-- The union adds the columns that a catalog may lack, and no row. Those that it must have are named here alone.
CREATE OR REPLACE MACRO geoquilt.main.catalog_migrate(catalog) AS TABLE
SELECT path, coalesce(kind, CASE WHEN schema_version IS NULL THEN 'raster' END) AS kind, driver, geometry, bbox, t_min, t_max,
       crs, transform, width, height, bands, variables, time_var, n_times, t_step, layers,
       coalesce(attributes, CASE WHEN schema_version IS NULL THEN MAP {} END) AS attributes, tags, size, modified,
       CASE WHEN schema_version > 2
            THEN error('catalog_migrate(catalog): "' || path || '" has a row of schema version ' || schema_version ||
                       ', made by a later geoquilt' || chr(10) || 'This one knows versions up to 2')
            ELSE 2 END::INTEGER AS schema_version, built_with
FROM (
    SELECT NULL::VARCHAR AS kind, NULL::VARCHAR AS driver,
           NULL::STRUCT("name" VARCHAR, dims VARCHAR[], shape BIGINT[], dtype VARCHAR, nodata DOUBLE, scale DOUBLE, "offset" DOUBLE, unit VARCHAR)[] AS variables,
           NULL::VARCHAR AS time_var, NULL::BIGINT AS n_times, NULL::DOUBLE AS t_step,
           NULL::STRUCT("name" VARCHAR, geometry_type VARCHAR, n_features BIGINT)[] AS layers,
           NULL::MAP(VARCHAR, VARCHAR) AS attributes, NULL::MAP(VARCHAR, VARCHAR) AS tags,
           NULL::BIGINT AS size, NULL::TIMESTAMP AS modified, NULL::INTEGER AS schema_version,
           NULL::STRUCT(kind VARCHAR, layer VARCHAR, layer_number BIGINT, variables VARCHAR[], time_var VARCHAR, time_tag VARCHAR, filename_regex VARCHAR, date_format VARCHAR, crs VARCHAR, densify BIGINT) AS built_with
    WHERE false
    UNION ALL BY NAME
    SELECT gq_entry.* FROM query_table(catalog) AS gq_entry
    WHERE true OR geo_catalog_check(gq_entry, {place: 'catalog_migrate(catalog)',
                                               columns: ['path', 'geometry', 'bbox', 't_min', 't_max', 'crs', 'transform', 'width', 'height', 'bands']})
)
