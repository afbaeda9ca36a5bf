-- registry_key(grid, dates): a name for what patch_registry would make of them. Documented in src/sql/splits/registry_key.rs.
--
-- gq_content(relation) is a hash of a relation's rows, whatever their order. The number in front of the key goes up when the same
-- contents and parameters give other rows.
CREATE OR REPLACE MACRO geoquilt.main.gq_content(relation) AS (
    SELECT sha256(coalesce(string_agg(gq_row::VARCHAR, chr(10) ORDER BY encode(gq_row::VARCHAR) ASC NULLS LAST), '')) FROM query_table(relation) AS gq_row
);
CREATE OR REPLACE MACRO geoquilt.main.registry_key(grid, dates, val_year := NULL, val_fraction := NULL, test_year := NULL, test_fraction := NULL,
        folds := NULL, block := NULL, min_gap := NULL, coverage := NULL, coverage_by := 'day', require_support := NULL, support_in := NULL,
        include_rejected := false, seed := 7, contents := NULL) AS
sha256('1' || chr(10) || {
    'grid': geoquilt.main.gq_content(grid), 'dates': geoquilt.main.gq_content(dates), 'val_year': val_year, 'val_fraction': val_fraction,
    'test_year': test_year, 'test_fraction': test_fraction, 'folds': folds, 'block': block, 'min_gap': min_gap,
    'coverage': CASE WHEN coverage IS NOT NULL THEN geoquilt.main.gq_content(coalesce(coverage, grid)) END, 'coverage_by': coverage_by,
    'require_support': require_support, 'support_in': CASE WHEN support_in IS NOT NULL THEN geoquilt.main.gq_content(coalesce(support_in, grid)) END,
    'include_rejected': include_rejected, 'seed': seed, 'contents': contents
}::VARCHAR)
