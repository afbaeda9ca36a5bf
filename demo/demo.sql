-- From files to training patches, in one sitting.
--
-- Run it in the repository's root, after demo/prepare.py has laid out its inputs:
--     duckdb -unsigned < demo/demo.sql
-- It writes catalog.parquet, grid.parquet, registry.parquet, samples.parquet, split.parquet and seams_*.tif into demo/out/, which demo/pictures.py draws.

LOAD 'build/release/geoquilt.duckdb_extension';
.maxwidth 110

.print '1  The catalog: one row a file, from headers and names alone.'
-- A month in a name stands for the whole month. The group "source" becomes an attribute.
COPY (
    FROM geo_catalog_build('demo/out/sst/*.tif',
        filename_regex := '(?P<source>ostia|nemo)_(?P<date>\d{6})', date_format := '%Y%m')
) TO 'demo/out/catalog.parquet' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH');

SELECT attributes['source'] AS source, count(*) AS months, min(t_min)::DATE AS first_day, max(t_max)::DATE AS last_day,
       any_value(height || ' x ' || width) AS pixels, any_value(bands[1].dtype || ', ' || bands[1].unit) AS band
FROM 'demo/out/catalog.parquet' GROUP BY ALL ORDER BY first_day;

.print '2  The grid: patches of 128 x 128 pixels every 32, over the land mask.'
-- Where more than 30 % is land a patch is rejected, except in seas that would then be lost.
SET VARIABLE regions = (SELECT list(region) FROM geoquilt.ocean_regions() AS region);
CREATE TABLE grid AS
FROM geo_patch_grid('demo/out/land_mask.tif', size := 128, stride := 32, max_land_fraction := 0.3, include_rejected := true,
    force_include := getvariable('regions'));
COPY grid TO 'demo/out/grid.parquet';

SELECT status, force_region, count(*) AS patches, round(avg(land_fraction), 2) AS mean_land, round(max(land_fraction), 2) AS most_land
FROM grid GROUP BY ALL ORDER BY status, patches DESC;

.print '3  One patch: a window of a file, as a list of pixels. NULL is land, or beyond the data.'
SELECT patch_id, force_region AS region, round(lon_center, 1) AS lon, round(lat_center, 1) AS lat, len(sst) AS pixels,
       round(list_avg(sst), 2) AS mean_c, round(list_min(sst), 2) AS min_c, round(list_max(sst), 2) AS max_c,
       round(1 - list_count(sst) / len(sst), 3) AS null_share, round(land_fraction, 3) AS land
FROM (SELECT *, read_patch('demo/out/sst/nemo_201501.tif', win) AS sst
      FROM grid WHERE status <> 'rejected' AND force_included
      QUALIFY row_number() OVER (PARTITION BY force_region ORDER BY land_fraction) = 1)
ORDER BY region;

.print '4  Coverage: which patches have data? OSTIA stops at 5 degrees, so read one month of each source and see.'
-- A patch counts for a source when half of its sea has a temperature.
CREATE TABLE coverage AS
SELECT source, patch_id
FROM grid, (VALUES ('ostia', 'demo/out/sst/ostia_200604.tif'), ('nemo', 'demo/out/sst/nemo_201501.tif')) AS month(source, path)
WHERE status <> 'rejected' AND list_count(read_patch(path, win)) >= 0.5 * ocean_fraction * win.height * win.width;

.print '5  The registry: a row for each patch and month. The year 2010 validates, all others train.'
-- The patches overlap, so a split by patch would leak pixels: patch_registry refuses it and wants a year.
COPY (
    SELECT *, attributes['source'] AS source
    FROM geoquilt.patch_registry('grid', 'demo/out/catalog.parquet', val_year := 2010) AS registry
    SEMI JOIN coverage ON coverage.source = attributes['source'] AND coverage.patch_id = registry.patch_id
) TO 'demo/out/registry.parquet';

SELECT split, source, count(*) AS n_rows, count(DISTINCT patch_id) AS patches, count(DISTINCT date) AS months,
       min(date) AS first_month, max(date) AS last_month
FROM 'demo/out/registry.parquet' GROUP BY ALL ORDER BY ALL;

.print '6  The stream: every patch of the registry, in bounded memory, next to its own columns.'
SELECT split, source, count(*) AS patches, sum(len(data))::BIGINT AS pixels, round(avg(list_avg(data)), 2) AS mean_c,
       round(1 - sum(list_count(data)) / sum(len(data)), 3) AS null_share
FROM read_patch('demo/out/registry.parquet') GROUP BY ALL ORDER BY ALL;

.print '7  Samplers: the same mask and rule, and places as they may be drawn.'
CREATE TABLE samples AS
SELECT 'regular' AS sampler, * FROM geo_patch_grid('demo/out/land_mask.tif', size := 64, max_land_fraction := 0.3)
UNION ALL SELECT 'jittered', * FROM geo_patch_grid('demo/out/land_mask.tif', size := 64, max_land_fraction := 0.3, sampler := 'jittered', jitter := 0.4)
UNION ALL SELECT 'random', * FROM geo_patch_grid('demo/out/land_mask.tif', size := 64, max_land_fraction := 0.3, sampler := 'random', n := 900)
UNION ALL SELECT 'poisson_disk', * FROM geo_patch_grid('demo/out/land_mask.tif', size := 64, max_land_fraction := 0.3, sampler := 'poisson_disk', min_distance := 500);
COPY samples TO 'demo/out/samples.parquet';
SELECT sampler, count(*) AS patches, round(avg(land_fraction), 3) AS mean_land, round(avg(abs(lat_center)), 1) AS mean_latitude FROM samples GROUP BY sampler ORDER BY sampler;

.print '8  A split by place: blocks of 4000 km go to one split whole, and 200 km lie between splits.'
CREATE TABLE month AS FROM 'demo/out/catalog.parquet' WHERE t_min = '2015-01-01';
COPY (
    FROM geoquilt.patch_registry('grid', 'month', val_fraction := 0.15, test_fraction := 0.15, block := 4000, min_gap := 200000)
) TO 'demo/out/split.parquet';
SELECT split, cause, count(*) AS patches FROM 'demo/out/split.parquet' GROUP BY ALL ORDER BY ALL;
-- The proof: no pixel is shared, and nothing of one split lies nearer to another. Two splits that were not kept apart do leak.
SELECT count(*) AS leaks FROM geoquilt.patch_leakage('demo/out/split.parquet', min_gap := 200000);

.print '9  And back: patches through an operator that knows its patch alone, stitched into one field and a file.'
-- Each patch is told in deviations of its own, as normalisation inside a model does it, so that neighbours disagree.
CREATE VIEW answers AS
SELECT geo_calc(data, shape, '(sst - centre) / spread', {bands: ['sst'], centre: list_avg(data), spread: greatest(list_stddev_pop(data), 0.1)}) AS data, win
FROM read_patch('demo/out/sst/nemo_201501.tif', size := 128, stride := 64);
-- Side by side, without a taper, then with each.
COPY (SELECT data, win FROM answers WHERE win.row_off % 128 = 0 AND win.col_off % 128 = 0) TO 'demo/out/seams_none.tif' (TEMPLATE 'demo/out/sst/nemo_201501.tif');
COPY (FROM answers) TO 'demo/out/seams_boxcar.tif' (TEMPLATE 'demo/out/sst/nemo_201501.tif', STITCH overlap_add, TAPER boxcar);
COPY (FROM answers) TO 'demo/out/seams_tukey.tif' (TEMPLATE 'demo/out/sst/nemo_201501.tif', STITCH overlap_add, TAPER tukey);
COPY (FROM answers) TO 'demo/out/seams_gaussian.tif' (TEMPLATE 'demo/out/sst/nemo_201501.tif', STITCH overlap_add, TAPER gaussian);
COPY (FROM answers) TO 'demo/out/seams_hann.tif' (TEMPLATE 'demo/out/sst/nemo_201501.tif', STITCH overlap_add, TAPER hann);
