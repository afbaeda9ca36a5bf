-- balanced_sample(relation, fractions, n): rows whose classes are even together. Documented in src/sql/sampling/balanced_sample.rs.
CREATE OR REPLACE MACRO geoquilt.main.balanced_sample(relation, fractions, n, seed := 7) AS TABLE
WITH gq_rows AS MATERIALIZED (
    SELECT row_number() OVER () AS gq_index, geo_row_shares(gq_row, {name: fractions, place: 'balanced_sample(fractions)'}) AS gq_shares, gq_row.*
    FROM query_table(relation) AS gq_row
), gq_held AS MATERIALIZED (
    SELECT gq_index, gq_shares, row_number() OVER (ORDER BY gq_index ASC NULLS LAST) - 1 AS gq_place
    FROM gq_rows WHERE cardinality(gq_shares) > 0
), gq_known AS MATERIALIZED (
    SELECT list_sort(list_distinct(flatten(list(map_keys(gq_shares)))), 'ASC', 'NULLS LAST') AS gq_classes FROM gq_held
), gq_vectors AS MATERIALIZED (
    SELECT gq_index, gq_place, list_transform(gq_classes, lambda gq_class: coalesce(map_extract(gq_shares, gq_class)[1], 0::DOUBLE)) AS gq_vector
    FROM gq_held, gq_known
), gq_taken AS MATERIALIZED (
    SELECT unnest(CASE WHEN n IS NULL THEN error('balanced_sample(n): NULL is not valid: must be how many rows are taken')
                       ELSE geo_balance(coalesce(flatten(list(gq_vector ORDER BY gq_place ASC NULLS LAST)), []::DOUBLE[]), greatest(coalesce(any_value(len(gq_vector)), 1), 1), n::BIGINT, seed::BIGINT) END) AS gq_chosen
    FROM gq_vectors
), gq_sums AS (
    SELECT gq_class, sum(gq_share) AS gq_sum
    FROM (SELECT unnest(gq_classes) AS gq_class, unnest(gq_vector) AS gq_share
          FROM gq_taken JOIN gq_vectors ON gq_place = gq_chosen CROSS JOIN gq_known)
    GROUP BY gq_class
), gq_reached AS MATERIALIZED (
    -- Rounded, so that the order in which rows are summed changes nothing.
    SELECT map(list(gq_class ORDER BY gq_class ASC NULLS LAST), list(round(gq_sum / gq_whole, 12) ORDER BY gq_class ASC NULLS LAST)) AS gq_map,
           round(max(abs(gq_sum / gq_whole * gq_n - 1)), 12) AS gq_off
    FROM gq_sums, (SELECT sum(gq_sum) AS gq_whole, count(*) AS gq_n FROM gq_sums) AS gq_all
)
SELECT gq_row.* EXCLUDE (gq_index, gq_shares), gq_map AS reached, gq_off AS off_even
FROM gq_taken JOIN gq_vectors ON gq_place = gq_chosen JOIN gq_rows AS gq_row USING (gq_index) CROSS JOIN gq_reached
ORDER BY gq_chosen ASC NULLS LAST
