-- rasterize_points(row, col, values, win): profiles laid on a window. Documented in src/sql/profile/rasterize_points.rs.
CREATE OR REPLACE MACRO geoquilt.main.rasterize_points("row", col, "values", win) AS
gq_rasterize_points("row"::BIGINT, col::BIGINT, "values",
    {row_off: struct_extract(win, 'row_off')::BIGINT, col_off: struct_extract(win, 'col_off')::BIGINT,
     height: struct_extract(win, 'height')::INTEGER, width: struct_extract(win, 'width')::INTEGER},
    current_setting('geoquilt_aggregate_mb')::UBIGINT, gq_query())
