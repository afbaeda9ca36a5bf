-- stats(data, shape, mergeable): count, mean, deviation, extremes and percentiles of each band. Documented in src/sql/stitch/stats.rs.
CREATE OR REPLACE MACRO geoquilt.main.stats(data, shape, mergeable := false) AS
gq_stats(data, shape, mergeable, current_setting('geoquilt_aggregate_mb')::UBIGINT, gq_query())
