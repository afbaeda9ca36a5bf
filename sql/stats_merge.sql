-- stats_merge(stats, mergeable): statistics of parts as those of the whole. Documented in src/sql/stitch/stats_merge.rs.
CREATE OR REPLACE MACRO geoquilt.main.stats_merge(stats, mergeable := false) AS
gq_stats_merge(stats, mergeable, current_setting('geoquilt_aggregate_mb')::UBIGINT, gq_query())
