// Calls of DuckDB's C interface that allocate, or refuse. They let C++ exceptions out, which Rust can not catch: here they are caught, and
// leave their words behind.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>

namespace {

template <typename Call>
bool done(char *words, size_t room, Call call) noexcept {
	try {
		call();
		return true;
	} catch (const std::exception &error) {
		std::snprintf(words, room, "%s", error.what());
	} catch (...) {
		std::snprintf(words, room, "an exception of another kind");
	}
	return false;
}

} // namespace

extern "C" {

bool geoquilt_guarded_reserve(int (*call)(void *, uint64_t), void *vector, uint64_t items, char *words, size_t room) {
	return done(words, room, [&] { call(vector, items); });
}

bool geoquilt_guarded_assign(void (*call)(void *, uint64_t, const char *, uint64_t), void *vector, uint64_t row,
                             const char *bytes, uint64_t length, char *words, size_t room) {
	return done(words, room, [&] { call(vector, row, bytes, length); });
}

bool geoquilt_guarded_validity(void (*call)(void *), void *vector, char *words, size_t room) {
	return done(words, room, [&] { call(vector); });
}

bool geoquilt_guarded_slice(void (*reference)(void *, void *), void (*slice)(void *, void *, uint64_t), void *own,
                            void *vector, void *chosen) {
	char words[64];
	return done(words, sizeof words, [&] {
		reference(own, vector);
		slice(own, chosen, 1);
	});
}

bool geoquilt_guarded_has_data(void (*reference)(void *, void *), void *(*data)(void *), void *own, void *vector) {
	char words[64];
	bool has = false;
	done(words, sizeof words, [&] {
		reference(own, vector);
		has = data(own) != nullptr;
	});
	return has;
}

bool geoquilt_guarded_takes_mask(void (*reference)(void *, void *), void (*make)(void *), uint64_t *(*mask)(void *),
                                 void *own, void *vector) {
	char words[64];
	bool takes = false;
	done(words, sizeof words, [&] {
		reference(own, vector);
		make(own);
		takes = mask(own) != nullptr;
	});
	return takes;
}
}
