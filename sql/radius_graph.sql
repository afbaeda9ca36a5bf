-- radius_graph(points): edges to the points near each. Documented in src/sql/neighbours/radius_graph.rs; gq_graph stands in knn_graph.sql.
CREATE OR REPLACE MACRO geoquilt.main.radius_graph(points, radius, anchors := NULL, metric := 'sphere', own := false) AS TABLE
SELECT source, target, distance FROM geoquilt.main.gq_graph('radius_graph', points, radius, true, anchors, metric, own)
