//! The extension itself. Help, versions, progress and counters.

group! {
    "The extension itself";
    table geoquilt_functions::GeoquiltFunctions,
    table geoquilt_progress::GeoquiltProgress,
    table geoquilt_cache::GeoquiltCache,
    table geoquilt_remote::GeoquiltRemote,
    table geoquilt_version::GeoquiltVersion,
}
