-- catalog_pad(catalog, pad): intervals made longer at both ends. Documented in src/sql/algebra/catalog_pad.rs.
CREATE OR REPLACE MACRO geoquilt.main.catalog_pad(catalog, pad) AS TABLE
SELECT gq_entry.* REPLACE (gq_entry.t_min::TIMESTAMP - gq_pad.pad AS t_min, gq_entry.t_max::TIMESTAMP + gq_pad.pad AS t_max)
FROM (SELECT gq_row.* FROM query_table(catalog) AS gq_row WHERE true OR geo_catalog_check(gq_row, {place: 'catalog_pad(catalog)'})) AS gq_entry,
     (SELECT CASE WHEN NOT coalesce(pad::INTERVAL >= INTERVAL 0 DAY, false) THEN
                 error('catalog_pad(pad): ' || coalesce(pad::VARCHAR, 'NULL') || ' is not zero or more' || chr(10) || 'An interval is made longer, never shorter')
             ELSE pad::INTERVAL END AS pad) AS gq_pad
