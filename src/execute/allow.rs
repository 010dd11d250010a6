//! Which commands an environment's allow-list knows as read-only.

/// Programs that run whatever they are told to; no list can make them harmless.
const INTERPRETERS: [&str; 22] = [
    "sh", "bash", "ash", "dash", "zsh", "ksh", "fish", "busybox", "toybox", "env", "xargs", "sudo", "su", "nsenter",
    "chroot", "python", "python3", "perl", "ruby", "node", "awk", "eval",
];

/// Whether `argv` is on the list. An entry matches a command that is exactly it; one that ends in `*` also allows
/// further plain arguments: no options, and no characters that a shell would act upon.
pub fn allowed(argv: &[String], list: &[Vec<String>]) -> bool {
    let Some(program) = argv.first() else { return false };
    let name = program.rsplit('/').next().unwrap_or(program);
    if INTERPRETERS.contains(&name) || argv.iter().any(|word| word.contains('\0')) {
        return false;
    }
    list.iter().any(|entry| match entry.split_last() {
        Some((last, prefix)) if last == "*" && !prefix.is_empty() => {
            argv.strip_prefix(prefix).is_some_and(|rest| rest.iter().all(|word| is_plain(word)))
        }
        _ => argv == entry.as_slice(),
    })
}

fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn only_what_is_listed_is_allowed() {
        let list = [words("cat /etc/hosts"), words("ls -l *"), words("sh *"), words("*")];
        for (command, expected) in [
            ("cat /etc/hosts", true),
            ("cat /etc/shadow", false),
            ("cat /etc/hosts /etc/shadow", false),
            ("ls -l", true),
            ("ls -l /data", true),
            ("ls -l --hyperlink", false),
            ("ls -l /data;reboot", false),
            ("ls /data", false),
            ("sh -c reboot", false),
            ("/bin/sh x", false),
            ("reboot", false),
        ] {
            assert_eq!(allowed(&words(command), &list), expected, "{command}");
        }
        assert!(!allowed(&[], &list));
    }
}
