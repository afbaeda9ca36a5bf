-- patch_leakage(registry): what rows of different splits share. Documented in src/sql/splits/patch_leakage.rs.
--
-- Rows are brought down to places and to times, each once for each split, so that pairs are sought among patches and dates,
-- never among rows. Rows that some other relation made do not say what keeps them apart: they leak where they share both.
CREATE OR REPLACE MACRO geoquilt.main.patch_leakage(registry, min_gap := NULL, rule := NULL) AS TABLE
WITH gq_known AS (
    SELECT gq_row.*, nullif(coalesce(rule, gq_said), 'either') AS gq_rule
    FROM (SELECT NULL::BIGINT AS patch_id, NULL::STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE) AS bbox, NULL::VARCHAR AS crs,
                 NULL::STRUCT(row_off BIGINT, col_off BIGINT, height BIGINT, width BIGINT) AS win, NULL::VARCHAR AS split, NULL::BIGINT AS fold,
                 NULL::BIGINT[] AS buffer_folds, NULL::VARCHAR AS split_by, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max, NULL::DATE AS date) AS gq_absent,
         LATERAL (SELECT patch_id AS gq_patch, bbox::STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE) AS gq_bbox, crs::VARCHAR AS gq_crs,
                         win::STRUCT(row_off BIGINT, col_off BIGINT, height BIGINT, width BIGINT) AS gq_win,
                         CASE WHEN split IN ('buffer', 'rejected') THEN NULL WHEN fold IS NOT NULL THEN 'fold ' || fold ELSE split::VARCHAR END AS gq_part,
                         split IS NOT NULL OR fold IS NOT NULL AS gq_parted, fold::BIGINT AS gq_fold, buffer_folds::BIGINT[] AS gq_buffer_folds, split_by::VARCHAR AS gq_said,
                         coalesce(geoquilt.main.gq_utc(t_min), geoquilt.main.gq_utc(date)) AS gq_start,
                         coalesce(geoquilt.main.gq_utc(t_max), geoquilt.main.gq_utc(date)::DATE + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND, geoquilt.main.gq_utc(t_min)) AS gq_stop
                  FROM query_table(registry) AS gq_entry
                  WHERE true OR geo_catalog_check(gq_entry, {place: 'patch_leakage(registry)', columns: ['split|fold']})) AS gq_row
), gq_guard AS (
    SELECT CASE
        WHEN NOT coalesce(min_gap::DOUBLE >= 0 AND isfinite(min_gap::DOUBLE), true) THEN
            error('patch_leakage(min_gap): ' || min_gap || ' is not valid: must be a distance in metres, 0 or above')
        WHEN rule IS NOT NULL AND rule NOT IN ('place', 'time', 'either') THEN
            error('patch_leakage(rule): "' || rule || '" is not a rule' || chr(10) || 'One of: place, time, either')
        WHEN rule = 'time' AND min_gap IS NOT NULL THEN
            error('patch_leakage(min_gap): a distance keeps places apart, and rule := ''time'' keeps times apart' || chr(10) || 'Leave one of them out')
        WHEN (SELECT count(*) > 0 AND count(*) FILTER (gq_parted) = 0 FROM gq_known) THEN
            error('patch_leakage(registry): no row has a split or a fold' || chr(10) || 'Give a relation with a column split or fold, as patch_registry makes it')
    END AS gq_mistake
), gq_rows AS (
    FROM gq_known WHERE gq_part IS NOT NULL
), gq_places AS (
    SELECT *, row_number() OVER (ORDER BY gq_part ASC NULLS LAST, gq_patch ASC NULLS LAST) AS gq_place, dense_rank() OVER (ORDER BY gq_part ASC NULLS LAST) AS gq_number
    FROM (SELECT gq_part, gq_patch, gq_bbox, gq_crs, gq_win, gq_fold, gq_buffer_folds, gq_rule,
                 -- Times only matter where nothing says what keeps rows apart.
                 list(DISTINCT {'start': gq_start, 'stop': gq_stop}) FILTER (gq_rule IS NULL) AS gq_times
          FROM gq_rows WHERE gq_rule IS DISTINCT FROM 'time'
          GROUP BY gq_part, gq_patch, gq_bbox, gq_crs, gq_win, gq_fold, gq_buffer_folds, gq_rule)
), gq_listed AS (
    SELECT coalesce(gq_crss, []) AS gq_crss,
           list({'bbox': gq_bbox, 'win': gq_win, 'crs': list_position(gq_crss, gq_crs)::BIGINT, 'part': gq_number} ORDER BY gq_place ASC NULLS LAST) AS gq_boxes
    FROM gq_places, (SELECT list(DISTINCT gq_crs ORDER BY gq_crs ASC NULLS LAST) FILTER (gq_crs IS NOT NULL) AS gq_crss FROM gq_places)
    GROUP BY gq_crss
), gq_pairs AS (
    SELECT unnest(geo_near_boxes(gq_boxes, gq_crss, coalesce(min_gap::DOUBLE, 0), {place: 'patch_leakage'})) AS gq_pair FROM gq_listed, gq_guard WHERE gq_guard.gq_mistake IS NULL
), gq_near AS (
    SELECT CASE WHEN gq_pair.shares THEN 'pixels' ELSE 'near' END AS gq_cause, gq_l.gq_part AS gq_a_part, gq_r.gq_part AS gq_b_part,
           gq_l.gq_patch AS gq_a_patch, gq_r.gq_patch AS gq_b_patch, gq_pair.distance AS gq_distance
    FROM gq_pairs JOIN gq_places AS gq_l ON gq_l.gq_place = gq_pair.a JOIN gq_places AS gq_r ON gq_r.gq_place = gq_pair.b
    -- Of folds one may lie near another that knows of it, and gives the patch up where that one is held out.
    WHERE NOT coalesce(list_contains(gq_l.gq_buffer_folds, gq_r.gq_fold) AND list_contains(gq_r.gq_buffer_folds, gq_l.gq_fold), false)
      AND (gq_l.gq_rule = 'place' AND gq_r.gq_rule = 'place'
           OR gq_l.gq_times IS NULL OR gq_r.gq_times IS NULL
           OR len(list_filter(gq_l.gq_times, lambda gq_t: len(list_filter(gq_r.gq_times, lambda gq_u:
                  coalesce(gq_t.start <= gq_u.stop AND gq_u.start <= gq_t.stop, true))) > 0)) > 0)
), gq_times AS (
    SELECT DISTINCT gq_part, gq_start, gq_stop, gq_rule FROM gq_rows
), gq_met AS (
    SELECT gq_l.gq_part AS gq_a_part, gq_r.gq_part AS gq_b_part, gq_l.gq_start AS gq_a_start, gq_r.gq_start AS gq_b_start
    FROM (FROM gq_times WHERE gq_start IS NOT NULL AND gq_stop IS NOT NULL) AS gq_l JOIN (FROM gq_times WHERE gq_start IS NOT NULL AND gq_stop IS NOT NULL) AS gq_r
      ON gq_l.gq_start <= gq_r.gq_stop AND gq_r.gq_start <= gq_l.gq_stop AND gq_l.gq_part < gq_r.gq_part
    WHERE gq_l.gq_rule = 'time' OR gq_r.gq_rule = 'time'
    UNION ALL
    -- What is undated may be of any time.
    SELECT gq_l.gq_part, gq_r.gq_part, gq_l.gq_start, gq_r.gq_start
    FROM gq_times AS gq_l JOIN gq_times AS gq_r ON gq_l.gq_part < gq_r.gq_part AND (gq_l.gq_start IS NULL OR gq_l.gq_stop IS NULL OR gq_r.gq_start IS NULL OR gq_r.gq_stop IS NULL)
    WHERE gq_l.gq_rule = 'time' OR gq_r.gq_rule = 'time'
)
SELECT gq_leak.* FROM gq_guard CROSS JOIN (
    SELECT gq_cause AS cause, gq_a_part AS split, gq_b_part AS other_split, gq_a_patch AS patch_id, gq_b_patch AS other_patch_id,
           NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS other_t_min, gq_distance AS distance
    FROM gq_near
    UNION ALL
    SELECT 'time', gq_a_part, gq_b_part, NULL, NULL, gq_a_start, gq_b_start, NULL FROM gq_met
) AS gq_leak
WHERE gq_guard.gq_mistake IS NULL
ORDER BY cause ASC NULLS LAST, split ASC NULLS LAST, other_split ASC NULLS LAST, patch_id ASC NULLS LAST, other_patch_id ASC NULLS LAST, t_min ASC NULLS LAST, other_t_min ASC NULLS LAST
