-- space_time_events(events): a slice about the place and time of each event. Documented in src/sql/time/space_time_events.rs.
CREATE OR REPLACE MACRO geoquilt.main.space_time_events(events, lookback, size, resolution, horizon := NULL, crs := 'OGC:CRS84') AS TABLE
WITH gq_places AS (
    SELECT gq_event.*, geo_bbox(geo_project(gq_event.geometry, coalesce(ST_CRS(gq_event.geometry), 'OGC:CRS84'), crs)) AS gq_box,
           geoquilt.main.gq_utc(gq_event.t) AS gq_at
    FROM query_table(events) AS gq_event
    WHERE true OR geo_catalog_check(gq_event, {place: 'space_time_events(events)', columns: ['geometry', 't']})
), gq_windows AS (
    SELECT *, unnest(CASE WHEN horizon IS NULL THEN ['lookback'] ELSE ['lookback', 'horizon'] END) AS gq_role FROM gq_places
), gq_timed AS (
    SELECT *, CASE WHEN gq_role = 'lookback' THEN gq_at - lookback::INTERVAL ELSE gq_at END + INTERVAL 1 MICROSECOND AS gq_start,
           CASE WHEN gq_role = 'lookback' THEN gq_at ELSE gq_at + horizon::INTERVAL END AS gq_stop
    FROM gq_windows
)
SELECT gq_role AS role,
       CASE
           WHEN gq_box IS NULL OR gq_at IS NULL THEN NULL
           WHEN lookback::INTERVAL <= INTERVAL 0 DAY OR horizon::INTERVAL <= INTERVAL 0 DAY THEN
               error('space_time_events(lookback): ' || lookback::VARCHAR || coalesce(' and a horizon of ' || horizon::VARCHAR, '') || ' must be intervals above zero')
           WHEN gq_box.xmin <> gq_box.xmax OR gq_box.ymin <> gq_box.ymax THEN
               error('space_time_events(events): a geometry is not a point' || chr(10) || 'Take its centroid, or make slices of shapes with geo_slice')
           WHEN NOT size > 0 THEN error('space_time_events(size): ' || size || ' is not valid: must be at least 1 pixel')
           ELSE geo_slice({'xmin': gq_box.xmin - size * resolution / 2, 'ymin': gq_box.ymin - size * resolution / 2,
                           'xmax': gq_box.xmin + size * resolution / 2, 'ymax': gq_box.ymin + size * resolution / 2},
                          resolution::DOUBLE, crs, gq_start, gq_stop)
       END AS slice,
       * EXCLUDE (gq_box, gq_at, gq_role, gq_start, gq_stop)
FROM gq_timed
ORDER BY gq_at ASC NULLS LAST, gq_role DESC NULLS LAST
