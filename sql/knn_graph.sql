-- knn_graph(points): edges to the points near each. Documented in src/sql/neighbours/knn_graph.rs.
--
-- gq_point_rows(points): id and coordinates of a relation's points, from lon and lat, x and y, or geometry, whichever there are.
CREATE OR REPLACE MACRO geoquilt.main.gq_point_rows(points) AS TABLE
SELECT gq_row.* FROM (SELECT NULL::DOUBLE AS lon, NULL::DOUBLE AS lat, NULL::DOUBLE AS x, NULL::DOUBLE AS y, NULL::GEOMETRY AS geometry) AS gq_absent,
    LATERAL (SELECT id AS gq_id, coalesce(lon::DOUBLE, x::DOUBLE, geo_bbox(geometry).xmin) AS gq_x, coalesce(lat::DOUBLE, y::DOUBLE, geo_bbox(geometry).ymin) AS gq_y
             FROM query_table(points) AS gq_point) AS gq_row;
CREATE OR REPLACE MACRO geoquilt.main.knn_graph(points, k, anchors := NULL, metric := 'sphere', own := false) AS TABLE
WITH gq_points AS (
    SELECT list(gq_id ORDER BY gq_id ASC NULLS LAST) AS gq_ids, list({'x': gq_x, 'y': gq_y} ORDER BY gq_id ASC NULLS LAST) AS gq_places,
           count(*) AS gq_count, count(DISTINCT gq_id) AS gq_distinct
    FROM geoquilt.main.gq_point_rows(points) WHERE gq_x IS NOT NULL AND gq_y IS NOT NULL AND gq_id IS NOT NULL
), gq_anchors AS (
    SELECT list(gq_id ORDER BY gq_id ASC NULLS LAST) AS gq_ids, list({'x': gq_x, 'y': gq_y} ORDER BY gq_id ASC NULLS LAST) AS gq_places
    FROM geoquilt.main.gq_point_rows(coalesce(anchors, points)) WHERE gq_x IS NOT NULL AND gq_y IS NOT NULL AND gq_id IS NOT NULL
), gq_edges AS (
    SELECT gq_points.gq_ids AS gq_targets, gq_anchors.gq_ids AS gq_sources, unnest(CASE
        WHEN gq_points.gq_count <> gq_points.gq_distinct THEN
            error('knn_graph(points): an id stands in several rows' || chr(10) || 'Make the ids unique, for example with row_number() OVER ()')
        WHEN k > gq_points.gq_count - CASE WHEN anchors IS NULL AND NOT own THEN 1 ELSE 0 END THEN
            error('knn_graph(k): ' || k || ' neighbours were asked for, and there are ' || (gq_points.gq_count - CASE WHEN anchors IS NULL AND NOT own THEN 1 ELSE 0 END))
        WHEN metric = 'sphere' THEN geo_neighbours(gq_points.gq_places, CASE WHEN anchors IS NOT NULL OR own THEN gq_anchors.gq_places END, k::DOUBLE, {'within': false, 'metric': 'sphere'})
        WHEN metric = 'plane' THEN geo_neighbours(gq_points.gq_places, CASE WHEN anchors IS NOT NULL OR own THEN gq_anchors.gq_places END, k::DOUBLE, {'within': false, 'metric': 'plane'})
        ELSE error('knn_graph(metric): "' || metric || '" is not a metric' || chr(10) || 'Use sphere or plane')
    END) AS gq_edge
    FROM gq_points CROSS JOIN gq_anchors
)
SELECT gq_sources[gq_edge.source] AS source, gq_targets[gq_edge.target] AS target, gq_edge.distance AS distance FROM gq_edges
