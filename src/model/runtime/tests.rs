//! Where the library is looked for, and what is refused before it is loaded.

use super::*;
use crate::domain::Device;
use crate::model::classifier::DeviceReport;
use crate::model::testing;

fn settings() -> RuntimeSettings {
    RuntimeSettings {
        auto_install: AutoInstall::Never,
        ..RuntimeSettings::default()
    }
}

#[test]
fn a_named_library_that_is_cut_off_is_refused_and_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libonnxruntime.so");
    let whole = std::fs::read(testing::runtime().path()).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 3]).unwrap();
    let wanted = RuntimeSettings {
        library: Some(path.clone()),
        ..settings()
    };
    let error = locate_blocking(&wanted, &mut |_| {}).unwrap_err();
    let text = error.to_string();
    for part in ["runtime.library", "cut off", &path.display().to_string()] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn a_named_library_is_taken_with_its_version_whatever_its_name_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("renamed.so");
    std::fs::copy(testing::runtime().path(), &path).unwrap();
    let wanted = RuntimeSettings {
        library: Some(path.clone()),
        ..settings()
    };
    let located = locate_blocking(&wanted, &mut |_| {}).unwrap();
    assert_eq!((located.path, located.origin), (path, Origin::Config));
    assert_eq!(located.version.as_deref(), testing::runtime().version());
}

#[test]
fn there_is_one_library_a_process() {
    let loaded = testing::runtime();
    let again = ensure_blocking(&settings(), &mut |line| panic!("{line}")).unwrap();
    assert_eq!(again.path(), loaded.path());
    let other = RuntimeSettings {
        library: Some("/nonexistent/libonnxruntime.so".into()),
        ..settings()
    };
    let error = ensure_blocking(&other, &mut |_| {}).unwrap_err();
    assert!(matches!(error, RuntimeError::OtherLoaded { .. }), "{error}");
}

#[test]
fn an_empty_cache_without_leave_to_install_is_an_error_that_says_where_it_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("onnxruntime");
    let mut looked_at = Vec::new();
    assert_eq!(find::in_cache(&cache, Flavour::Cpu, &mut looked_at), None);
    assert!(
        looked_at.iter().all(|line| line.contains("not there")) && !looked_at.is_empty(),
        "{looked_at:?}"
    );
    let error = RuntimeError::NotFound {
        device: Flavour::Cuda.name(),
        looked_at: looked_at.join("; "),
    };
    let text = error.to_string();
    for part in [
        "install --cuda",
        "ORT_DYLIB_PATH",
        "runtime.library",
        "1.31.1-cpu",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn a_damaged_library_in_the_cache_is_not_used() {
    let Some(build) = pins::builds(Flavour::Cpu).next() else {
        println!("skipped: no pinned build for {}", pins::PLATFORM);
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let cached = folder.path().join(build.folder());
    std::fs::create_dir(&cached).unwrap();
    let library = cached.join(build.libraries[0].file);
    let mut bytes = std::fs::read(testing::runtime().path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&library, bytes).unwrap();
    let mut looked_at = Vec::new();
    assert_eq!(find::in_cache(folder.path(), Flavour::Cpu, &mut looked_at), None);
    assert!(
        looked_at
            .iter()
            .any(|line| line.contains("damaged") && line.contains("SHA-256")),
        "{looked_at:?}"
    );
}

#[test]
fn the_report_names_every_cuda_library_and_what_to_do() {
    let report = testing::runtime().report(None);
    assert_eq!(report.path, testing::runtime().path());
    assert!(report.providers.contains(&"CPUExecutionProvider"));
    let names: Vec<&str> = report
        .cuda_libraries
        .iter()
        .map(|library| library.name.as_str())
        .collect();
    for start in ["libcuda.so", "libcudart.so", "libcublas.so", "libcudnn.so"] {
        assert!(names.iter().any(|name| name.starts_with(start)), "{names:?}");
    }
    let advice = report.cuda_advice.clone().unwrap();
    for missing in report
        .cuda_libraries
        .iter()
        .filter(|library| library.path.is_none())
    {
        assert!(advice.contains(&missing.name), "{advice}");
    }
    let json = serde_json::to_value(&report).unwrap();
    for key in [
        "version",
        "path",
        "found_in",
        "providers",
        "device",
        "cuda_libraries",
        "cuda_advice",
    ] {
        assert!(json.get(key).is_some(), "{key}");
    }
}

/// It told to set what was set, and to install what was installed.
#[test]
fn the_advice_on_cuda_depends_on_what_was_asked_for() {
    let library = |path: Option<&str>| CudaLibrary {
        name: "libcuda.so.1".into(),
        path: path.map(PathBuf::from),
    };
    let advice = |providers: &[&str], path, asked| {
        let device = DeviceReport {
            asked,
            got: Device::Cpu,
            why: None,
        };
        report::advice(providers, &[library(path)], Some(&device))
    };
    let (with, without) = (["CUDAExecutionProvider"], ["CPUExecutionProvider"]);
    let (there, set) = (Some("/lib/libcuda.so.1"), "set inference.device to");
    assert_eq!(
        advice(&with, there, DevicePolicy::Cpu),
        "set inference.device to \"auto\" or \"cuda\""
    );
    assert!(advice(&without, there, DevicePolicy::Cpu).starts_with(set));
    for asked in [DevicePolicy::Auto, DevicePolicy::Cuda] {
        let told = advice(&with, there, asked);
        assert!(
            told.starts_with("nothing is missing") && !told.contains(set),
            "{told}"
        );
        let told = advice(&without, there, asked);
        assert!(told.contains("install --cuda") && !told.contains(set), "{told}");
        let told = advice(&with, None, asked);
        assert!(
            told.starts_with("not found by the loader: libcuda.so.1"),
            "{told}"
        );
    }
    let told = report::advice(&with, &[library(there)], None);
    assert!(told.starts_with("nothing is missing"), "{told}");
}

/// The build for the CPU beside it was used, and nothing said why there was no CUDA.
#[test]
fn a_damaged_build_is_told_also_where_another_one_serves() {
    let builds = [Flavour::Cuda, Flavour::Cpu].map(|flavour| pins::builds(flavour).next());
    let [Some(damaged), Some(sound)] = builds else {
        println!("skipped: no pinned builds for {}", pins::PLATFORM);
        return;
    };
    let used = testing::runtime().path();
    if testing::runtime().origin() != Origin::Cache || !used.parent().unwrap().ends_with(sound.folder()) {
        println!("skipped: {} is not the pinned build", used.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("onnxruntime");
    for build in [damaged, sound] {
        std::fs::create_dir_all(cache.join(build.folder())).unwrap();
    }
    let library = cache.join(sound.folder()).join(sound.libraries[0].file);
    std::fs::copy(used, &library).unwrap();
    let settings = RuntimeSettings {
        device: DevicePolicy::Auto,
        cache_dir: Some(folder.path().to_owned()),
        ..settings()
    };
    let mut said = Vec::new();
    let located = locate_blocking(&settings, &mut |line| said.push(line.to_owned())).unwrap();
    assert_eq!(located.path, library);
    assert!(
        matches!(&said[..], [line] if line.contains(&damaged.folder()) && line.contains("is damaged")),
        "{said:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn the_loader_s_own_folders_are_searched_by_exact_name() {
    let system = find::SystemLibraries::read();
    assert!(system.by_name("libc.so.6").is_some());
    assert!(system.by_name("libno-such-thing.so.77").is_none());
}

/// A machine with NVIDIA's libraries, but no way to the CUDA flavour, did not start under `auto`.
#[test]
fn under_auto_the_cpu_serves_where_the_cuda_flavour_cannot_be_installed() {
    let install = |device, flavour| {
        let mut said = Vec::new();
        let installed = install_for(
            device,
            flavour,
            &mut |line| said.push(line.to_owned()),
            |flavour, _say| match flavour {
                Flavour::Cuda => Err("no pinned build".to_owned()),
                Flavour::Cpu => Ok(flavour),
            },
        );
        (installed, said.join("\n"))
    };
    let (installed, said) = install(DevicePolicy::Auto, Flavour::Cuda);
    assert_eq!(installed, Ok(Flavour::Cpu));
    assert!(said.contains("no pinned build") && said.contains("CPU"), "{said}");
    assert!(install(DevicePolicy::Cuda, Flavour::Cuda).0.is_err(), "a must");
}
