-- ocean_finetune(root, hard_regions): the registry of a run of fine-tuning. Documented in src/sql/ocean/ocean_finetune.rs.
--
-- gq_hard_regions(regions) are hard regions with a cap, and with names that no other region has.
CREATE OR REPLACE MACRO geoquilt.main.gq_hard_regions(regions) AS list_transform(
    regions::STRUCT(name VARCHAR, xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE, max_land_fraction DOUBLE)[],
    lambda gq_region, gq_i: {
        name: 'hard: ' || coalesce(struct_extract(gq_region, 'name'), gq_i::VARCHAR), xmin: struct_extract(gq_region, 'xmin'), ymin: struct_extract(gq_region, 'ymin'),
        xmax: struct_extract(gq_region, 'xmax'), ymax: struct_extract(gq_region, 'ymax'), max_land_fraction: coalesce(struct_extract(gq_region, 'max_land_fraction'), 0.85::DOUBLE)
    });
CREATE OR REPLACE MACRO geoquilt.main.ocean_finetune(root, hard_regions, hard_fraction := 0.75, relax_land_filter := true, seed := 7, size := 128, stride := 32,
        max_land_fraction := 0.3, regions := NULL, val_year := 2018, window_days := 7, assign := 'window', require_argo := NULL, coverage := NULL) AS TABLE
WITH gq_run AS MATERIALIZED (
    FROM geoquilt.main.ocean_registry(root, size := size, stride := stride, max_land_fraction := max_land_fraction, val_year := val_year, window_days := window_days, assign := assign,
        require_argo := require_argo, coverage := coverage,
        regions := geoquilt.main.gq_regions(regions) || CASE WHEN relax_land_filter THEN geoquilt.main.gq_hard_regions(hard_regions) ELSE [] END)
)
FROM geoquilt.main.hard_sample('gq_run', geoquilt.main.gq_hard_regions(hard_regions), hard_fraction := hard_fraction, seed := seed,
                               train_only := list_transform(geoquilt.main.gq_hard_regions(hard_regions), lambda gq_region: struct_extract(gq_region, 'name')))
