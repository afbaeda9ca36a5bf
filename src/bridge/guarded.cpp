// Calls of DuckDB's C interface that allocate, or refuse. They let C++ exceptions out, which Rust can not catch: here they are caught, and
// leave their words behind.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <typeinfo>

#include <cxxabi.h>
#ifdef __linux__
#include <dlfcn.h>
#include <unwind.h>
#endif

namespace {

#ifdef __linux__
// What a C++ library knows of a thread's exceptions, and what stands before one that was thrown: both as the Itanium C++ ABI has them.
struct Books {
	void *caught;
	unsigned int uncaught;
};

struct Header {
	std::type_info *type;
	void (*destroy)(void *);
	void (*unexpected)();
	void (*terminate)();
	Header *next;
	int handlers;
	int handler_switch;
	const unsigned char *action;
	const unsigned char *language_data;
	void *catch_temp;
	void *adjusted;
	_Unwind_Exception unwind;
};

// The C++ library inside this file keeps books of its own. What DuckDB's has thrown, and ours has caught, would stand as uncaught in
// DuckDB's for as long as the thread lives: it would then leave out what it does only while nothing is thrown, such as the checkpoint of
// a database that is closed.
void settle() noexcept {
	auto *own = reinterpret_cast<Books *>(abi::__cxa_get_globals());
	auto *header = static_cast<Header *>(own->caught);
	Dl_info thrower, found;
	if (!header || !dladdr(reinterpret_cast<void *>(header->unwind.exception_cleanup), &thrower)) {
		return;
	}
	void *library = dlopen(thrower.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (!library) {
		return;
	}
	void *get = dlsym(library, "__cxa_get_globals");
	if (get && dladdr(get, &found) && found.dli_fbase == thrower.dli_fbase) {
		Books *theirs = reinterpret_cast<Books *(*)()>(get)();
		if (theirs != own && theirs->uncaught > 0) {
			theirs->uncaught--;
			own->uncaught++;
		}
	}
	dlclose(library);
}
#else
void settle() noexcept {
}
#endif

template <typename Call>
bool done(char *words, size_t room, Call call) noexcept {
	try {
		call();
		return true;
	} catch (const std::exception &error) {
		settle();
		std::snprintf(words, room, "%s", error.what());
	} catch (...) {
		settle();
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

// What the linker sends the calls of the libraries inside to (build.rs) is nobody else's: whoever names a function as hidden hides it, and
// only DuckDB's entry and what begins with geoquilt_ leave the file.
#ifdef __linux__
#define HIDDEN(name) __attribute__((visibility("hidden"))) void name();
extern "C" {
HIDDEN(__wrap_H5Aread)
HIDDEN(__wrap_H5DSget_num_scales)
HIDDEN(__wrap_H5DSis_scale)
HIDDEN(__wrap_H5DSiterate_scales)
HIDDEN(__wrap_H5D__read)
HIDDEN(__wrap_H5FL_blk_realloc)
HIDDEN(__wrap_H5Gopen1)
HIDDEN(__wrap_H5Gopen2)
HIDDEN(__wrap___printf_chk)
HIDDEN(__wrap_fclose)
HIDDEN(__wrap_fopen)
HIDDEN(__wrap_fopen64)
HIDDEN(__wrap_fread)
HIDDEN(__wrap_fwrite)
HIDDEN(__wrap_mkdir)
HIDDEN(__wrap_open)
HIDDEN(__wrap_open64)
HIDDEN(__wrap_pread)
HIDDEN(__wrap_pread64)
HIDDEN(__wrap_printf)
HIDDEN(__wrap_putchar)
HIDDEN(__wrap_puts)
HIDDEN(__wrap_read)
HIDDEN(__wrap_rename)
HIDDEN(__wrap_rmdir)
HIDDEN(__wrap_sqlite3_open_v2)
HIDDEN(__wrap_unlink)

__attribute__((used)) static void (*const geoquilt_hidden[])() = {
    __wrap_H5Aread, __wrap_H5DSget_num_scales, __wrap_H5DSis_scale, __wrap_H5DSiterate_scales,
    __wrap_H5D__read, __wrap_H5FL_blk_realloc, __wrap_H5Gopen1, __wrap_H5Gopen2,
    __wrap___printf_chk, __wrap_fclose, __wrap_fopen, __wrap_fopen64, __wrap_fread, __wrap_fwrite,
    __wrap_mkdir, __wrap_open, __wrap_open64, __wrap_pread,
    __wrap_pread64, __wrap_printf, __wrap_putchar, __wrap_puts,
    __wrap_read, __wrap_rename, __wrap_rmdir, __wrap_sqlite3_open_v2,
    __wrap_unlink,
};
}
#endif
