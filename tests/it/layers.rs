//! Who may import whom: a module imports only from earlier layers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Modules by layer; within the second, only `model` imports others.
const LAYERS: [&[&str]; 6] = [
    &["domain", "durable"],
    &[
        "config",
        "decode",
        "fetch",
        "model",
        "preprocess",
        "status",
        "store",
    ],
    &["tagging", "training", "web"],
    &["daemon"],
    &["scan"],
    &["cli"],
];
const WITHIN: [(&str, &str); 2] = [("model", "preprocess"), ("model", "fetch")];

#[test]
fn modules_import_only_from_earlier_layers() {
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, names)| names.iter().map(move |name| (*name, layer)))
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for file in rust_files(&root) {
        let within = file.strip_prefix(&root).unwrap();
        if is_of_tests(within) {
            continue;
        }
        let module = within
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        let Some(&layer) = layer_of.get(module) else {
            assert!(["lib", "main"].contains(&module), "{module} belongs to no layer");
            continue;
        };
        for imported in imports(&std::fs::read_to_string(&file).unwrap()) {
            let Some(&from) = layer_of.get(imported.as_str()) else {
                panic!("{file:?} imports {imported}")
            };
            let allowed = from < layer || imported == module || WITHIN.contains(&(module, &imported));
            assert!(
                allowed,
                "{} imports crate::{imported}, which is not of an earlier layer",
                within.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "the test must see the imports, it saw {checked}");
}

/// Whether a file holds only tests, which may use what their module may not.
fn is_of_tests(path: &Path) -> bool {
    path.with_extension("")
        .components()
        .filter_map(|part| part.as_os_str().to_str())
        .any(|part| part == "tests" || part.ends_with("_tests"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => files.extend(rust_files(&path)),
            Some(extension) if extension == "rs" => files.push(path),
            _ => {}
        }
    }
    files
}

/// The modules named after `crate::`, in `use` lines and in paths; comments and tests aside.
fn imports(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let named = lines.flat_map(|line| line.split("crate::").skip(1)).map(|rest| {
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    });
    named
        .filter(|name| name.chars().next().is_some_and(char::is_lowercase))
        .collect()
}
