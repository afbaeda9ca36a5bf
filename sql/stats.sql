-- stats(data, shape): count, mean, deviation, extremes and percentiles of each band. Documented in src/sql/stitch/stats.rs.
CREATE OR REPLACE MACRO geoquilt.main.stats(data, shape) AS
gq_stats(data, shape, current_setting('geoquilt_aggregate_mb')::UBIGINT, gq_query())
