use super::*;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;

fn pipe() -> [File; 2] {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: fresh descriptors.
    ends.map(|fd| unsafe { File::from_raw_fd(fd) })
}

fn terminal_pair() -> [File; 2] {
    let mut ends = [0; 2];
    let [master, slave] = &mut ends;
    let (none, no_mode, no_size) = (std::ptr::null_mut(), std::ptr::null(), std::ptr::null());
    // SAFETY: room for two descriptors; nothing else is asked for.
    let made = unsafe { libc::openpty(master, slave, none, no_mode, no_size) };
    assert_eq!(made, 0);
    // SAFETY: fresh descriptors.
    ends.map(|fd| unsafe { File::from_raw_fd(fd) })
}

fn blocks(file: &File) -> bool {
    // SAFETY: asks for flags.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK == 0 }
}

#[test]
fn a_pipe_and_a_terminal_that_nobody_reads_refuse_and_the_inherited_descriptor_still_blocks() {
    for [reader, writer] in [pipe(), terminal_pair()] {
        let mut aside = File::from(open(writer.as_raw_fd()).expect("opened once more"));
        assert!(blocks(&writer) && !blocks(&aside));
        let refused = loop {
            if let Err(why) = aside.write(&[b'.'; 1000]) {
                break why;
            }
        };
        assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
        assert!(!takes_at_once(&writer.metadata().expect("about it")));
        drop(reader);
    }
}

#[test]
fn what_cannot_be_opened_once_more_or_is_another_then_is_not() {
    let [reader, _writer] = pipe();
    assert!(open(reader.as_raw_fd()).is_none(), "the end that is read");
    let [master, _slave] = terminal_pair();
    assert!(open(master.as_raw_fd()).is_none(), "a name for many");
    let (socket, _peer) = UnixStream::pair().expect("a pair");
    assert!(open(socket.as_raw_fd()).is_none());
    let about = File::from(OwnedFd::from(socket)).metadata();
    assert!(!takes_at_once(&about.expect("about it")));
}

#[test]
fn a_device_of_memory_and_a_file_need_none() {
    let null = File::create("/dev/null").expect("the device");
    assert!(open(null.as_raw_fd()).is_none());
    assert!(takes_at_once(&null.metadata().expect("about it")));
    let program = std::env::current_exe().expect("this program");
    assert!(takes_at_once(&program.metadata().expect("about it")));
}

#[test]
fn an_unusual_device_is_neither_opened_once_more_nor_taken_for_one_that_does_not_wait() {
    // SAFETY: a count, and no flags: one that blocks when it is full.
    let fd = unsafe { libc::eventfd(0, 0) };
    // SAFETY: a fresh descriptor.
    let counter = unsafe { File::from_raw_fd(fd) };
    let master = File::options().write(true).open("/dev/ptmx");
    let unusual = [counter, master.expect("a terminal's other side")];
    for file in unusual {
        assert!(open(file.as_raw_fd()).is_none());
        assert!(!takes_at_once(&file.metadata().expect("about it")));
    }
    // It refuses, and does so at once.
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("the device");
    assert!(open(full.as_raw_fd()).is_none());
    assert!(takes_at_once(&full.metadata().expect("about it")));
}

#[test]
fn what_is_no_descriptor_any_more_is_not_opened() {
    let [reader, writer] = pipe();
    let number = writer.as_raw_fd();
    // SAFETY: duplicating touches no memory.
    let high = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 900) };
    // SAFETY: fresh, and used by nobody else.
    drop(unsafe { OwnedFd::from_raw_fd(high) });
    assert!(open(high).is_none() && open(-1).is_none());
    assert!(open(number).is_some());
    drop(reader);
}
