-- knn_graph(points): edges to the points near each. Documented in src/sql/neighbours/knn_graph.rs.
--
-- gq_point_rows(points, place): id and coordinates of a relation's points, from lon and lat, x and y, or geometry, whichever there are.
CREATE OR REPLACE MACRO geoquilt.main.gq_point_rows(points, place) AS TABLE
SELECT gq_row.* FROM (SELECT NULL::DOUBLE AS lon, NULL::DOUBLE AS lat, NULL::DOUBLE AS x, NULL::DOUBLE AS y, NULL::GEOMETRY AS geometry) AS gq_absent,
    LATERAL (SELECT id AS gq_id, coalesce(lon::DOUBLE, x::DOUBLE, geo_bbox(geometry).xmin) AS gq_x, coalesce(lat::DOUBLE, y::DOUBLE, geo_bbox(geometry).ymin) AS gq_y
             FROM query_table(points) AS gq_point WHERE true OR geo_catalog_check(gq_point, {place: place, columns: ['id', 'lon|x|geometry', 'lat|y|geometry']})) AS gq_row;
-- gq_graph(function, points, reach, within): the edges of knn_graph and radius_graph. `reach` is a number of neighbours, or a distance within which
-- all are.
CREATE OR REPLACE MACRO geoquilt.main.gq_graph(function, points, reach, within, anchors, metric, own) AS TABLE
WITH gq_points AS (
    SELECT list(gq_id ORDER BY gq_id ASC NULLS LAST) AS gq_ids, list({'x': gq_x, 'y': gq_y} ORDER BY gq_id ASC NULLS LAST) AS gq_places,
           count(*) AS gq_count, count(DISTINCT gq_id) AS gq_distinct, count(*) - CASE WHEN anchors IS NULL AND NOT own THEN 1 ELSE 0 END AS gq_others
    FROM geoquilt.main.gq_point_rows(points, function || '(points)') WHERE gq_x IS NOT NULL AND gq_y IS NOT NULL AND gq_id IS NOT NULL
), gq_anchors AS (
    SELECT list(gq_id ORDER BY gq_id ASC NULLS LAST) AS gq_ids, list({'x': gq_x, 'y': gq_y} ORDER BY gq_id ASC NULLS LAST) AS gq_places
    FROM geoquilt.main.gq_point_rows(coalesce(anchors, points), function || '(anchors)') WHERE gq_x IS NOT NULL AND gq_y IS NOT NULL AND gq_id IS NOT NULL
), gq_checked AS (
    SELECT gq_points.gq_ids AS gq_targets, gq_anchors.gq_ids AS gq_sources, gq_points.gq_places AS gq_places,
           CASE WHEN anchors IS NOT NULL OR own THEN gq_anchors.gq_places END AS gq_from,
           CASE WHEN gq_count <> gq_distinct THEN
                    error(function || '(points): an id stands in several rows' || chr(10) || 'Make the ids unique, for example with row_number() OVER ()')
                WHEN reach IS NULL THEN error(function || CASE WHEN within THEN '(radius): NULL is not valid: must be a distance above 0' ELSE '(k): NULL is not valid: must be at least 1' END)
                WHEN NOT within AND reach > gq_others THEN error(function || '(k): ' || reach || ' neighbours were asked for, and there are ' || gq_others)
                WHEN metric IS NULL OR metric NOT IN ('sphere', 'plane') THEN
                    error(function || '(metric): ' || coalesce('"' || metric || '"', 'NULL') || ' is not a metric' || chr(10) || 'Use sphere or plane')
                ELSE reach::DOUBLE END AS gq_reach
    FROM gq_points CROSS JOIN gq_anchors
), gq_edges AS (
    -- The options of geo_neighbours are constants.
    SELECT gq_sources, gq_targets, unnest(CASE
        WHEN within AND metric = 'sphere' THEN geo_neighbours(gq_places, gq_from, gq_reach, {'within': true, 'metric': 'sphere'})
        WHEN within THEN geo_neighbours(gq_places, gq_from, gq_reach, {'within': true, 'metric': 'plane'})
        WHEN metric = 'sphere' THEN geo_neighbours(gq_places, gq_from, gq_reach, {'within': false, 'metric': 'sphere'})
        ELSE geo_neighbours(gq_places, gq_from, gq_reach, {'within': false, 'metric': 'plane'})
    END) AS gq_edge
    FROM gq_checked
)
SELECT gq_sources[gq_edge.source] AS source, gq_targets[gq_edge.target] AS target, gq_edge.distance AS distance FROM gq_edges;
CREATE OR REPLACE MACRO geoquilt.main.knn_graph(points, k, anchors := NULL, metric := 'sphere', own := false) AS TABLE
SELECT source, target, distance FROM geoquilt.main.gq_graph('knn_graph', points, k, false, anchors, metric, own)
