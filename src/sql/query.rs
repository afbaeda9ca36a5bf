//! Queries. Boxes and days of samples, drawn for training or laid out for evaluation, saved and made again.

mod query_arguments;
mod query_rows;

group! {
    "Queries";
    scalar geo_patch_degrees::GeoPatchDegrees,
    table geo_train_queries::GeoTrainQueries,
    table geo_eval_queries::GeoEvalQueries,
    table geo_replay_queries::GeoReplayQueries,
    table_macro query_changes,
    table_macro query_samples,
    table_macro query_batch,
    table_macro resolution_report,
}
