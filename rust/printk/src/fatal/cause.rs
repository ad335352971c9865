//! What has happened: a signal, and what the kernel says of it.

/// A signal that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Its number.
    pub signal: libc::c_int,
    /// Where it comes from.
    pub code: libc::c_int,
    /// The address that was touched, or the instruction; of a signal that was sent, 0.
    pub address: u64,
    /// Of a signal that was sent, by which process.
    pub sender: u32,
    /// The address lies in the memory of a log: its file was cut short, or its file system is full.
    pub is_in_ring: bool,
}

impl Fault {
    /// What the kernel says.
    ///
    /// # Safety
    /// `info` is what a handler was given, and valid.
    pub unsafe fn of(signal: libc::c_int, info: *const libc::siginfo_t) -> Fault {
        // SAFETY: the caller's promise.
        let info = unsafe { &*info };
        let code = info.si_code;
        let mut fault = Fault {
            signal,
            code,
            ..Fault::default()
        };
        if fault.is_sent() {
            // SAFETY: valid, and of a signal that was sent.
            fault.sender = unsafe { info.si_pid() }.cast_unsigned();
        } else {
            // SAFETY: valid, and of one that the processor raised.
            fault.address = unsafe { info.si_addr() } as u64;
        }
        fault
    }

    /// Whether somebody has sent it; otherwise what the thread did has raised it, and doing it again will again.
    pub fn is_sent(&self) -> bool {
        self.code <= 0
    }

    /// Whether the process has sent it to itself, as `abort` does.
    pub fn is_own(&self) -> bool {
        // SAFETY: a system call without arguments.
        self.is_sent() && self.sender == unsafe { libc::getpid() }.cast_unsigned()
    }

    /// The signal's name.
    pub fn name(&self) -> &'static str {
        name(self.signal)
    }

    /// The name of what it comes from.
    pub fn code_name(&self) -> &'static str {
        code_name(self.signal, self.code)
    }
}

/// The name of a signal that may be fatal.
pub fn name(signal: libc::c_int) -> &'static str {
    match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGABRT => "SIGABRT",
        libc::SIGTERM => "SIGTERM",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGHUP => "SIGHUP",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGALRM => "SIGALRM",
        _ => "signal",
    }
}

/// What a log says of it.
pub fn detail(signal: libc::c_int) -> &'static str {
    match signal {
        libc::SIGSEGV => "fatal signal SIGSEGV",
        libc::SIGBUS => "fatal signal SIGBUS",
        libc::SIGFPE => "fatal signal SIGFPE",
        libc::SIGILL => "fatal signal SIGILL",
        libc::SIGABRT => "fatal signal SIGABRT",
        _ => "fatal signal",
    }
}

/// Numbers of the kernel's, which the C library names and the libc crate does not.
const SI_KERNEL: libc::c_int = 0x80;

fn code_name(signal: libc::c_int, code: libc::c_int) -> &'static str {
    match (signal, code) {
        (_, libc::SI_USER) => "SI_USER",
        (_, libc::SI_QUEUE) => "SI_QUEUE",
        (_, libc::SI_TKILL) => "SI_TKILL",
        (_, SI_KERNEL) => "SI_KERNEL",
        (libc::SIGSEGV, 1) => "SEGV_MAPERR",
        (libc::SIGSEGV, 2) => "SEGV_ACCERR",
        (libc::SIGSEGV, 3) => "SEGV_BNDERR",
        (libc::SIGSEGV, 4) => "SEGV_PKUERR",
        (libc::SIGBUS, 1) => "BUS_ADRALN",
        (libc::SIGBUS, 2) => "BUS_ADRERR",
        (libc::SIGBUS, 3) => "BUS_OBJERR",
        (libc::SIGBUS, 4) => "BUS_MCEERR_AR",
        (libc::SIGBUS, 5) => "BUS_MCEERR_AO",
        (libc::SIGFPE, 1) => "FPE_INTDIV",
        (libc::SIGFPE, 2) => "FPE_INTOVF",
        (libc::SIGFPE, 3) => "FPE_FLTDIV",
        (libc::SIGFPE, 4) => "FPE_FLTOVF",
        (libc::SIGFPE, 5) => "FPE_FLTUND",
        (libc::SIGFPE, 6) => "FPE_FLTRES",
        (libc::SIGFPE, 7) => "FPE_FLTINV",
        (libc::SIGFPE, 8) => "FPE_FLTSUB",
        (libc::SIGILL, 1) => "ILL_ILLOPC",
        (libc::SIGILL, 2) => "ILL_ILLOPN",
        (libc::SIGILL, 3) => "ILL_ILLADR",
        (libc::SIGILL, 4) => "ILL_ILLTRP",
        (libc::SIGILL, 5) => "ILL_PRVOPC",
        _ => "unknown",
    }
}
