-- ocean_grid(root): the patch grid of an ocean package. Documented in src/sql/ocean/ocean_grid.rs.
--
-- gq_regions(regions) are regions as geo_patch_grid takes them, with a name and a cap; NULL stands for those of ocean_regions(). Among the arguments of
-- a function in FROM, a field after a dot would be taken for a text.
CREATE OR REPLACE MACRO geoquilt.main.gq_regions(regions) AS coalesce(list_transform(
    regions::STRUCT(name VARCHAR, xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE, max_land_fraction DOUBLE)[],
    lambda gq_region, gq_i: {
        name: coalesce(struct_extract(gq_region, 'name'), 'region_' || (gq_i - 1)), xmin: struct_extract(gq_region, 'xmin'), ymin: struct_extract(gq_region, 'ymin'),
        xmax: struct_extract(gq_region, 'xmax'), ymax: struct_extract(gq_region, 'ymax'), max_land_fraction: coalesce(struct_extract(gq_region, 'max_land_fraction'), 1.0::DOUBLE)
    }), geoquilt.main.gq_ocean_regions());
CREATE OR REPLACE MACRO geoquilt.main.ocean_grid(root, size := 128, stride := 32, max_land_fraction := 0.3, regions := NULL, include_rejected := false) AS TABLE
WITH gq_all AS MATERIALIZED (
    FROM geo_patch_grid(geo_ocean_manifest(root).mask, size := size, stride := stride, max_land_fraction := max_land_fraction, include_rejected := true,
                        force_include := geoquilt.main.gq_regions(regions))
), gq_guard AS (
    SELECT CASE WHEN count(*) FILTER (status <> 'rejected') = 0 THEN
        error('ocean_grid(max_land_fraction): ' || max_land_fraction || ' rejects all ' || count(*) || ' patches: the least land in one is ' || min(land_fraction))
    END AS gq_mistake FROM gq_all
)
SELECT gq_all.* FROM gq_guard CROSS JOIN gq_all
WHERE gq_guard.gq_mistake IS NULL AND (include_rejected OR status <> 'rejected')
ORDER BY patch_id ASC NULLS LAST
