-- ocean_regions(): regions whose patches may hold more land, of the production dataset. Documented in src/sql/ocean/ocean_regions.rs.
--
-- gq_ocean_regions() are they as the list that geo_patch_grid takes: a function in FROM takes no subquery.
CREATE OR REPLACE MACRO geoquilt.main.gq_ocean_regions() AS [
    {name: 'mediterranean', xmin: -6.0, ymin: 30.0, xmax: 37.0, ymax: 46.0, max_land_fraction: 0.6},
    {name: 'baltic', xmin: 9.0, ymin: 53.0, xmax: 31.0, ymax: 66.0, max_land_fraction: 0.85},
    {name: 'red_sea', xmin: 32.0, ymin: 12.0, xmax: 44.0, ymax: 30.0, max_land_fraction: 0.85},
    {name: 'hudson_bay', xmin: -96.0, ymin: 50.0, xmax: -74.0, ymax: 65.0, max_land_fraction: 0.95}
]::STRUCT(name VARCHAR, xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE, max_land_fraction DOUBLE)[];
CREATE OR REPLACE MACRO geoquilt.main.ocean_regions() AS TABLE
SELECT unnest(geoquilt.main.gq_ocean_regions(), recursive := true)
