-- catalog_migrate(catalog): any catalog with the columns of schema version 1. Documented in src/sql/catalog_upkeep.rs.
--
-- Version 0, before catalogs told their version, held rasters only: it lacks variables, time_var, n_times, t_step,
-- layers and schema_version. What it lacks is NULL; kind is 'raster'. Version 1 comes back as it is.
--
-- A column that the catalog lacks is taken from `absent`: the subquery then sees the name that stands outside it.
CREATE OR REPLACE MACRO geoquilt.main.catalog_migrate(catalog) AS TABLE
SELECT file.path, file.kind_ AS kind, file.driver_ AS driver, file.geometry, file.bbox, file.t_min, file.t_max, file.crs,
       file.transform, file.width, file.height, file.bands, file.variables_ AS variables, file.time_var_ AS time_var,
       file.n_times_ AS n_times, file.t_step_ AS t_step, file.layers_ AS layers, file.attributes_ AS attributes,
       file.size_ AS size, file.modified_ AS modified,
       CASE WHEN file.schema_version_ > 1
            THEN error('catalog_migrate(catalog): "' || file.path || '" has a row of schema version ' || file.schema_version_ ||
                       ', made by a later geoquilt' || chr(10) || 'This one knows versions up to 1')
            ELSE 1 END::INTEGER AS schema_version
FROM (SELECT 'raster' AS kind, NULL::VARCHAR AS driver,
             NULL::STRUCT("name" VARCHAR, dims VARCHAR[], shape BIGINT[], dtype VARCHAR, nodata DOUBLE, scale DOUBLE, "offset" DOUBLE, unit VARCHAR)[] AS variables,
             NULL::VARCHAR AS time_var, NULL::BIGINT AS n_times, NULL::DOUBLE AS t_step,
             NULL::STRUCT("name" VARCHAR, geometry_type VARCHAR, n_features BIGINT)[] AS layers,
             MAP {}::MAP(VARCHAR, VARCHAR) AS attributes,
             NULL::BIGINT AS size, NULL::TIMESTAMP AS modified, 0 AS schema_version) AS absent,
     LATERAL (
         SELECT path, kind AS kind_, driver AS driver_, geometry, bbox, t_min, t_max, crs, transform, width, height, bands,
                variables AS variables_, time_var AS time_var_, n_times AS n_times_, t_step AS t_step_, layers AS layers_,
                attributes AS attributes_, size AS size_, modified AS modified_, schema_version AS schema_version_
         FROM query_table(catalog)
     ) AS file
