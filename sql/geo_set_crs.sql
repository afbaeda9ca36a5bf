-- geo_set_crs(geometry, crs): a geometry with its CRS in its type. Documented in src/sql/geometry/geo_set_crs.rs.
-- The lambda is there because DuckDB 1.5.6 asks for a constant when a macro is made, where a parameter is none yet.
CREATE OR REPLACE MACRO geoquilt.main.geo_set_crs(geometry, crs) AS
list_transform([geometry], lambda gq_geometry: ST_SetCRS(gq_geometry, geo_crs_definition(crs)))[1]
