//! SQLite's view of simulated disks: one VFS for the process, in which a disk is a directory.
//!
//! A path is `/disk-<number>/<name>`. The VFS and its method table are statics; an open file is SQLite's own
//! memory with a pointer to a boxed [`Open`], made in `open` and dropped in `close`. Interface version 1: no
//! shared memory, no memory mapping. Source: sqlite.org/c3ref/vfs.html, /c3ref/io_methods.html; when directories
//! are synced follows SQLite's `os_unix.c`.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError, Weak};

use rusqlite::ffi;

use super::platter::{DiskError, Handle, Platter};

/// The VFS's name in SQLite.
pub(super) const NAME: &str = "counterfoil-sim";
const NAME_C: &CStr = c"counterfoil-sim";

const PATH_BYTES_MAX: c_int = 512;
/// What SQLite expects of a drive by default (see `os_unix.c`); the model tears at 512 bytes nevertheless.
const SECTOR_BYTES: c_int = 4096;

static DISKS: LazyLock<Mutex<BTreeMap<u64, Weak<Mutex<Platter>>>>> = LazyLock::new(Mutex::default);

/// Makes a disk reachable by path for as long as it lives.
pub(super) fn mount(number: u64, platter: &Arc<Mutex<Platter>>) {
    register();
    let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    disks.retain(|_, disk| disk.strong_count() > 0);
    disks.insert(number, Arc::downgrade(platter));
}

/// The path of a file.
pub(super) fn path(number: u64, name: &str) -> String {
    format!("/disk-{number}/{name}")
}

fn find(path: &str) -> Option<(Arc<Mutex<Platter>>, &str)> {
    let (number, name) = path.strip_prefix("/disk-")?.split_once('/')?;
    let number: u64 = number.parse().ok()?;
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    Some((disks.get(&number)?.upgrade()?, name))
}

/// What SQLite keeps for an open file: its header, then ours.
#[repr(C)]
struct FileMemory {
    base: ffi::sqlite3_file,
    open: *mut Open,
}

struct Open {
    platter: Arc<Mutex<Platter>>,
    handle: Handle,
    /// Removed when closed.
    remove: Option<String>,
    /// A journal or WAL that may be new: its first sync syncs the directory too, also where the file was there
    /// already, because whoever made it may have died before.
    sync_directory: bool,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Shared<T>(T);
// SAFETY: the method table holds only function pointers and is never written.
unsafe impl Sync for Shared<ffi::sqlite3_io_methods> {}

static METHODS: Shared<ffi::sqlite3_io_methods> = Shared(ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
});

fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let vfs = Box::leak(Box::new(ffi::sqlite3_vfs {
            iVersion: 1,
            szOsFile: c_int::try_from(size_of::<FileMemory>()).expect("a small struct"),
            mxPathname: PATH_BYTES_MAX,
            pNext: std::ptr::null_mut(),
            zName: NAME_C.as_ptr(),
            pAppData: std::ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: None,
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: the struct is complete for version 1 and leaked, so it outlives every use; `Once` makes this
        // the only registration.
        let result = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(result, ffi::SQLITE_OK, "SQLite takes a VFS at any time");
    });
}

/// # Safety
/// `file` is a file that [`open`] opened and [`close`] has not closed; SQLite never uses one file on two threads
/// at once (connections are opened without their own mutex and are not `Sync`).
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Open {
    // SAFETY: by the contract above, `file` is the beginning of a `FileMemory` whose `open` points at a live box.
    unsafe { &mut *(*file.cast::<FileMemory>()).open }
}

/// # Safety
/// `name` is null or a string that ends with a zero byte and outlives the call.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: by the contract above.
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

fn code(error: DiskError, io: c_int) -> c_int {
    match error {
        DiskError::Io => io,
        DiskError::Full => ffi::SQLITE_FULL,
    }
}

// SQLite calls the functions below with arguments as its documentation of `sqlite3_vfs` and `sqlite3_io_methods`
// says: valid pointers for the length of the call, files opened by `open`, sizes and offsets not negative.

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes. Null methods tell it not to close a file that did not open.
    unsafe { (*file).pMethods = std::ptr::null() };
    // SAFETY: null or a string, as documented.
    let path = unsafe { text(name) };
    let (platter, name) = match path {
        Some(path) => match find(path) {
            Some((platter, name)) => (platter, Some(name)),
            None => return ffi::SQLITE_CANTOPEN,
        },
        // A temporary file without a name belongs to no disk and survives nothing.
        None => (Arc::new(Mutex::new(Platter::new(0))), None),
    };
    let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let result = platter.lock().unwrap_or_else(PoisonError::into_inner).open(name, create || name.is_none());
    let Ok((handle, _)) = result else {
        return ffi::SQLITE_CANTOPEN;
    };
    let journal = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;
    let remove = (flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0).then(|| name.map(str::to_owned)).flatten();
    let open = Box::new(Open { platter, handle, remove, sync_directory: create && flags & journal != 0 });
    // SAFETY: `file` has room for a `FileMemory` (see `szOsFile`), and is ours to fill; `flags_out` may be null.
    unsafe {
        (*file.cast::<FileMemory>()).open = Box::into_raw(open);
        (*file).pMethods = &raw const METHODS.0;
        if !flags_out.is_null() {
            *flags_out = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: a string, as documented.
    let Some((platter, name)) = (unsafe { text(name) }).and_then(find) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    let mut platter = platter.lock().unwrap_or_else(PoisonError::into_inner);
    if platter.is_stopped() {
        return ffi::SQLITE_IOERR_DELETE;
    }
    if !platter.exists(name) {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    }
    platter.remove(name, sync_directory != 0).map_or_else(|error| code(error, ffi::SQLITE_IOERR_DELETE), |()| 0)
}

unsafe extern "C" fn access(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    result: *mut c_int,
) -> c_int {
    // SAFETY: a string, as documented.
    let found = (unsafe { text(name) }).and_then(find);
    let exists =
        found.is_some_and(|(platter, name)| platter.lock().unwrap_or_else(PoisonError::into_inner).exists(name));
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *result = c_int::from(exists) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room_bytes: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: a string, as documented.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if usize::try_from(room_bytes).is_ok_and(|room| name.len() <= room) {
        // SAFETY: `out` has `room_bytes` bytes, which was just compared, and does not overlap the name.
        unsafe { std::ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len()) };
        ffi::SQLITE_OK
    } else {
        ffi::SQLITE_CANTOPEN
    }
}

unsafe extern "C" fn randomness(_vfs: *mut ffi::sqlite3_vfs, bytes: c_int, out: *mut c_char) -> c_int {
    // SAFETY: `out` has `bytes` bytes.
    unsafe { std::ptr::write_bytes(out, 0x5a, usize::try_from(bytes).unwrap_or(0)) };
    bytes
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // Noon of 2026-01-01 as a Julian day: engines take time as an argument and never ask here.
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = 2_461_042.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_vfs: *mut ffi::sqlite3_vfs, _bytes: c_int, _out: *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an opened file once; the box was made in `open`.
    let open = unsafe { Box::from_raw((*file.cast::<FileMemory>()).open) };
    // SAFETY: still SQLite's memory for this file; null methods say that it is closed.
    unsafe { (*file).pMethods = std::ptr::null() };
    if let Some(name) = &open.remove {
        // Nobody hears of a temporary file that stays behind on a disk without power.
        let _ = open.lock().remove(name, false);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, out: *mut c_void, bytes: c_int, offset: i64) -> c_int {
    let (Ok(count), Ok(offset)) = (usize::try_from(bytes), usize::try_from(offset)) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: `out` has `bytes` bytes that nobody else touches during the call.
    let buffer = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), count) };
    // SAFETY: an opened file.
    let open = unsafe { opened(file) };
    match open.lock().read(open.handle, offset, buffer) {
        Ok(there) if there == count => ffi::SQLITE_OK,
        Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, bytes: c_int, offset: i64) -> c_int {
    let (Ok(count), Ok(offset)) = (usize::try_from(bytes), usize::try_from(offset)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: `from` has `bytes` bytes that do not change during the call.
    let content = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), count) };
    // SAFETY: an opened file.
    let open = unsafe { opened(file) };
    let result = open.lock().write(open.handle, offset, content);
    result.map_or_else(|error| code(error, ffi::SQLITE_IOERR_WRITE), |()| ffi::SQLITE_OK)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, bytes: i64) -> c_int {
    let Ok(bytes) = usize::try_from(bytes) else {
        return ffi::SQLITE_IOERR_TRUNCATE;
    };
    // SAFETY: an opened file.
    let open = unsafe { opened(file) };
    let result = open.lock().truncate(open.handle, bytes);
    result.map_or_else(|error| code(error, ffi::SQLITE_IOERR_TRUNCATE), |()| ffi::SQLITE_OK)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: an opened file.
    let open = unsafe { opened(file) };
    let mut result = open.lock().sync(open.handle);
    if result.is_ok() && open.sync_directory {
        result = open.lock().sync_directory();
        open.sync_directory = result.is_err();
    }
    result.map_or_else(|error| code(error, ffi::SQLITE_IOERR_FSYNC), |()| ffi::SQLITE_OK)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: an opened file.
    let open = unsafe { opened(file) };
    let bytes = open.lock().len(open.handle);
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = i64::try_from(bytes).unwrap_or(i64::MAX) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(_file: *mut ffi::sqlite3_file, _level: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_file: *mut ffi::sqlite3_file, _operation: c_int, _argument: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    SECTOR_BYTES
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}
