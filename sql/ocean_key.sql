-- ocean_key(root): a name for what ocean_registry would make of a package. Documented in src/sql/ocean/ocean_key.rs.
--
-- The number in front goes up when the same contents and parameters give other rows.
CREATE OR REPLACE MACRO geoquilt.main.ocean_key(root, size := 128, stride := 32, max_land_fraction := 0.3, regions := NULL, val_year := 2018, window_days := 7,
        assign := 'window', require_argo := NULL, coverage := NULL) AS
CASE WHEN root IS NOT NULL THEN sha256('1' || chr(10) || {
    'manifest': geo_content_hash(geo_ocean_manifest(root).manifest), 'mask': geo_content_hash(geo_ocean_manifest(root).mask),
    'argo': geo_content_hash(geo_ocean_manifest(root).argo), 'size': size, 'stride': stride, 'max_land_fraction': max_land_fraction::DOUBLE,
    'regions': geoquilt.main.gq_regions(regions), 'val_year': geoquilt.main.gq_year_list(val_year), 'window_days': window_days, 'assign': assign,
    'require_argo': require_argo, 'coverage': coverage
}::VARCHAR) END
