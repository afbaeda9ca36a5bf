-- catalog_migrate(catalog): any catalog with the columns of schema version 1. Documented in src/sql/catalog/catalog_migrate.rs.
--
-- Version 0, before catalogs told their version, held rasters only: it lacks variables, time_var, n_times, t_step,
-- layers and schema_version. What it lacks is NULL; kind is 'raster'. Version 1 comes back as it is.
--
-- The union adds the columns that a catalog may lack, and no row. Those that it must have are named here alone.
CREATE OR REPLACE MACRO geoquilt.main.catalog_migrate(catalog) AS TABLE
SELECT path, coalesce(kind, CASE WHEN schema_version IS NULL THEN 'raster' END) AS kind, driver, geometry, bbox, t_min, t_max,
       crs, transform, width, height, bands, variables, time_var, n_times, t_step, layers,
       coalesce(attributes, CASE WHEN schema_version IS NULL THEN MAP {} END) AS attributes, size, modified,
       CASE WHEN schema_version > 1
            THEN error('catalog_migrate(catalog): "' || path || '" has a row of schema version ' || schema_version ||
                       ', made by a later geoquilt' || chr(10) || 'This one knows versions up to 1')
            ELSE 1 END::INTEGER AS schema_version
FROM (
    SELECT NULL::VARCHAR AS kind, NULL::VARCHAR AS driver,
           NULL::STRUCT("name" VARCHAR, dims VARCHAR[], shape BIGINT[], dtype VARCHAR, nodata DOUBLE, scale DOUBLE, "offset" DOUBLE, unit VARCHAR)[] AS variables,
           NULL::VARCHAR AS time_var, NULL::BIGINT AS n_times, NULL::DOUBLE AS t_step,
           NULL::STRUCT("name" VARCHAR, geometry_type VARCHAR, n_features BIGINT)[] AS layers,
           NULL::MAP(VARCHAR, VARCHAR) AS attributes,
           NULL::BIGINT AS size, NULL::TIMESTAMP AS modified, NULL::INTEGER AS schema_version
    WHERE false
    UNION ALL BY NAME
    FROM query_table(catalog)
)
