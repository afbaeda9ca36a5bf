-- ocean_profiles(root): the profiles of an ocean package, in degrees Celsius. Documented in src/sql/ocean/ocean_profiles.rs.
CREATE OR REPLACE MACRO geoquilt.main.ocean_profiles(root) AS TABLE
WITH gq_variables AS MATERIALIZED (
    FROM read_variables(geo_ocean_manifest(root).argo)
), gq_store AS MATERIALIZED (
    SELECT geo_ocean_manifest(root) AS gq_told, list_filter(['profile_date', 'grid_row', 'grid_col', 'glorys_depth'], lambda gq_name: NOT list_contains(gq_names, gq_name)) AS gq_missing,
           gq_codes.attributes AS gq_attributes, gq_codes.shape AS gq_shape
    FROM (SELECT attributes, shape FROM gq_variables WHERE variable = 'argo_temp_kelvin_uint8') AS gq_codes CROSS JOIN (SELECT list(variable) AS gq_names FROM gq_variables)
), gq_stretch AS MATERIALIZED (
    -- As NumPy decodes them: in float32 throughout.
    SELECT coalesce(gq_attributes['minimum']::DOUBLE, gq_told.temperature.minimum)::FLOAT AS gq_minimum,
           coalesce(gq_attributes['maximum']::DOUBLE, gq_told.temperature.maximum)::FLOAT - gq_minimum AS gq_range,
           coalesce(gq_attributes['valid_code_max']::DOUBLE, gq_told.temperature.valid_code_max)::FLOAT AS gq_last,
           coalesce(gq_attributes['nodata']::DOUBLE, gq_told.temperature.nodata)::FLOAT AS gq_nodata, 273.15::FLOAT AS gq_zero,
           CASE WHEN len(gq_missing) > 0 THEN error('ocean_profiles(root): "' || gq_told.argo || '" lacks ' || array_to_string(gq_missing, ', '))
                WHEN gq_shape[2] <> len(gq_told.depth_axis_m) THEN
                    error('ocean_profiles(root): "' || gq_told.argo || '" has ' || gq_shape[2] || ' levels, and depth_axis_m of "' || gq_told.manifest || '" ' || len(gq_told.depth_axis_m))
           END AS gq_mistake
    FROM gq_store
)
SELECT gq_profile.profile_id AS profile_id, gq_profile.path AS path, gq_profile.lon AS lon, gq_profile.lat AS lat,
       try_strptime(gq_profile.attributes['profile_date'], '%Y%m%d')::DATE AS date,
       gq_profile.attributes['grid_row']::BIGINT AS "row", gq_profile.attributes['grid_col']::BIGINT AS col, gq_profile.depth AS depth,
       list_transform(gq_profile.argo_temp_kelvin_uint8, lambda gq_code, gq_level: CASE
           WHEN gq_profile.argo_temp_valid[gq_level] = 1 AND gq_code <> gq_nodata THEN (gq_minimum + gq_code / gq_last * gq_range) - gq_zero END) AS temp
FROM gq_stretch CROSS JOIN read_profiles(geoquilt.main.gq_literal(geo_ocean_manifest(root).argo), variables := ['argo_temp_kelvin_uint8', 'argo_temp_valid'], qc := false) AS gq_profile
WHERE gq_stretch.gq_mistake IS NULL
