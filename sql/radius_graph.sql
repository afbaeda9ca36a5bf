-- radius_graph(points): edges to the points near each. Documented in src/sql/neighbours/radius_graph.rs.
CREATE OR REPLACE MACRO geoquilt.main.radius_graph(points, radius, anchors := NULL, metric := 'sphere', own := false) AS TABLE
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
            error('radius_graph(points): an id stands in several rows' || chr(10) || 'Make the ids unique, for example with row_number() OVER ()')
        WHEN metric = 'sphere' THEN geo_neighbours(gq_points.gq_places, CASE WHEN anchors IS NOT NULL OR own THEN gq_anchors.gq_places END, radius::DOUBLE, {'within': true, 'metric': 'sphere'})
        WHEN metric = 'plane' THEN geo_neighbours(gq_points.gq_places, CASE WHEN anchors IS NOT NULL OR own THEN gq_anchors.gq_places END, radius::DOUBLE, {'within': true, 'metric': 'plane'})
        ELSE error('radius_graph(metric): "' || metric || '" is not a metric' || chr(10) || 'Use sphere or plane')
    END) AS gq_edge
    FROM gq_points CROSS JOIN gq_anchors
)
SELECT gq_sources[gq_edge.source] AS source, gq_targets[gq_edge.target] AS target, gq_edge.distance AS distance FROM gq_edges
