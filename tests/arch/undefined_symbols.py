"""Lists the undefined symbols of the pure rooms' libraries and fails on every one that is not known to be pure.

An allow-list, not a list of sins: a call nobody thought of is a fault until it has been looked at. Allowed are
the room's own symbols, those of base (without its log and its clock), what the compiler and the sanitizers add,
and the C functions named here. To use another C function in a pure room, add it to the right line.
"""
import re
import subprocess

import house

MEMORY = "memchr memcmp memcpy memmem memmove memrchr memset mempcpy explicit_bzero malloc calloc realloc free bcmp"
STRINGS = """strlen strnlen strcmp strncmp strcasecmp strncasecmp strchr strrchr strstr strpbrk strspn strcspn strdup
    strndup strtol strtoul strtoll strtoull strtod strtok_r strerror strcpy stpcpy snprintf vsnprintf asprintf
    vasprintf sscanf isalnum isalpha isdigit isspace isxdigit isprint ispunct tolower toupper __ctype_b_loc
    __ctype_tolower_loc __ctype_toupper_loc qsort bsearch"""
NUMBERS = """exp exp2 log log2 log1p log10 pow sqrt ldexp frexp fabs floor ceil round lround expf exp2f powf
    log2f"""
ENDINGS = "abort __assert_fail __errno_location __stack_chk_fail __cpu_model"
FILES = """fopen fclose fread fgets fgetc getc ferror feof fseek ftell rewind fileno getline fopencookie fmemopen
    open_memstream fprintf vfprintf fputs fputc putc fwrite fflush stat fstat lstat access realpath dirname basename
    open close read gethostname getcwd sysconf"""
LOCKS = """pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock pthread_mutex_trylock
    pthread_mutexattr_init pthread_mutexattr_settype pthread_mutexattr_destroy
    pthread_rwlock_init pthread_rwlock_destroy pthread_rwlock_rdlock pthread_rwlock_wrlock pthread_rwlock_unlock
    pthread_spin_init pthread_spin_destroy pthread_spin_lock pthread_spin_unlock pthread_once
    pthread_key_create pthread_getspecific pthread_setspecific"""
MAPS = "mmap munmap madvise aligned_alloc posix_memalign"

PURE_C = set(" ".join([MEMORY, STRINGS, NUMBERS, ENDINGS]).split())
# bytes from the wire have a length and no NUL that ends them: strlen is for our own words
NOT_FOR = {"smtp": set(STRINGS.split()) - {"strlen", "strncasecmp", "snprintf", "vsnprintf"}}
# smtp: nothing more; score: locks of its shared stores, and their memory; config/load.c: files, through stdio
BY_ROOM = {"smtp": set(), "score": set((LOCKS + " " + MAPS).split()), "config": set(FILES.split())}
LIBRARY = {"smtp": None, "score": re.compile(r"^pcre2_\w+$"), "config": re.compile(r"^config_\w+$")}
COMPILER = re.compile(r"^(__(asan|ubsan|tsan|sanitizer|sancov|lsan)_\w+|__udivti3|__umodti3|__muloti4"
                      r"|_GLOBAL_OFFSET_TABLE_|__tls_get_addr|__gcov_\w+|__llvm_\w+|__odr_asan\S*|__aeabi_\w+)$")
IMPURE_MEMBERS = ("log.c.o", "clock.c.o")


def nm(library, option):
    """(member, symbol) of a static library."""
    out = subprocess.run(["nm", "-P", option, library], capture_output=True, text=True, check=True).stdout
    member = ""
    for line in out.splitlines():
        match = re.match(r"^(?:.*\[)?([^\[\] ]+\.o)\]?:$", line)
        if match:
            member = match.group(1)
        elif line.strip():
            yield member, line.split()[0]


def plain_name(symbol):
    """The function behind a fortified or versioned name: __memcpy_chk is memcpy."""
    symbol = re.sub(r"^__isoc(99|23)_", "", symbol.split("@")[0])
    match = re.match(r"^__(\w+)_chk$", symbol)
    return match.group(1) if match and match.group(1) != "stack" else symbol


def base_symbols(library):
    return {s for member, s in nm(library, "--defined-only") if member not in IMPURE_MEMBERS}


def check_room(room, library, base):
    own = {s for _, s in nm(library, "--defined-only")}
    known = own | base | (PURE_C - NOT_FOR.get(room, set())) | BY_ROOM[room]
    faults, seen = [], 0
    for member, symbol in nm(library, "-u"):
        seen += 1
        name = plain_name(symbol)
        if symbol in known or name in known or COMPILER.match(symbol):
            continue
        if LIBRARY[room] and LIBRARY[room].match(symbol):
            continue
        faults.append(f"{room}/{member.removesuffix('.o')}: calls {symbol}: not known to be pure")
    return sorted(set(faults)), seen


def check(args):
    base = base_symbols(args.base)
    faults, seen = [], 0
    for room in house.PURE:
        room_faults, room_seen = check_room(room, getattr(args, room), base)
        faults += room_faults
        seen += room_seen
        if not room_seen:
            faults.append(f"{room}: the library shows no symbol at all")
    return faults, seen


if __name__ == "__main__":
    house.run(check, "undefined symbols", arguments=("base", "smtp", "score", "config"))
