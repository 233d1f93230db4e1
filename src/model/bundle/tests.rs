//! Bundles that survive a folder, and those that are refused.

use super::*;

#[test]
fn the_embedded_model_survives_a_folder() {
    let bundle = ModelBundle::embedded();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("deep").join("bundle");
    bundle.write(&at).unwrap();
    let again = ModelBundle::load(&at).unwrap();
    assert_eq!(again.id(), bundle.id());
    assert_eq!(again.manifest(), bundle.manifest());
    assert_eq!(again.onnx(), bundle.onnx());
    assert!(bundle.manifest().model_sha256.starts_with(bundle.id().as_str()));
}

#[test]
fn what_does_not_fit_is_refused_with_file_found_and_expected() {
    type Spoil = fn(&mut Manifest);
    let cases: [(Spoil, &str, &str, &str); 6] = [
        (|m| m.model_sha256 = "00".into(), "model.onnx", "SHA-256", "00"),
        (|m| m.labels.swap(0, 1), "manifest.json", "labels", "T-shirt/top"),
        (|m| m.input.shape[1] = 3, "manifest.json", "input.shape", "3"),
        (|m| m.output.shape[1] = 11, "manifest.json", "output.shape", "11"),
        (
            |m| m.preprocessing_version.0 = 77,
            "manifest.json",
            "preprocessing_version",
            "77",
        ),
        (|m| m.format = 9, "manifest.json", "format", "9"),
    ];
    for (spoil, file, what, found) in cases {
        let mut manifest = ModelBundle::embedded().manifest().clone();
        spoil(&mut manifest);
        let error = ModelBundle::from_bytes(ModelBundle::embedded().onnx().to_vec(), manifest).unwrap_err();
        let text = error.to_string();
        for part in [file, what, found, "expected"] {
            assert!(text.contains(part), "{part:?} is missing in: {text}");
        }
    }
}

#[test]
fn a_flipped_bit_in_the_network_is_found() {
    let folder = tempfile::tempdir().unwrap();
    ModelBundle::embedded().write(folder.path()).unwrap();
    let path = folder.path().join(ONNX_FILE);
    let mut onnx = std::fs::read(&path).unwrap();
    let middle = onnx.len() / 2;
    onnx[middle] ^= 1;
    std::fs::write(&path, onnx).unwrap();
    let error = ModelBundle::load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("SHA-256") && error.contains(&path.display().to_string()),
        "{error}"
    );
}

#[test]
fn a_missing_file_and_a_broken_manifest_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = ModelBundle::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("manifest.json"), "{error}");

    ModelBundle::embedded().write(folder.path()).unwrap();
    std::fs::remove_file(folder.path().join(ONNX_FILE)).unwrap();
    let error = ModelBundle::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("model.onnx"), "{error}");

    std::fs::write(
        folder.path().join(MANIFEST_FILE),
        "{\"format\": 1,\n \"labels\": 3}",
    )
    .unwrap();
    let error = ModelBundle::load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("manifest.json") && error.contains("line"),
        "{error}"
    );
}

#[test]
fn a_manifest_of_another_format_is_refused_before_its_other_keys_are_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(MANIFEST_FILE), "{\"format\": 2}").unwrap();
    let error = ModelBundle::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("format is 2, expected 1"), "{error}");
}

#[test]
fn keys_of_a_later_hangtag_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    ModelBundle::embedded().write(folder.path()).unwrap();
    let path = folder.path().join(MANIFEST_FILE);
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    json["of a later hangtag"] = serde_json::json!({"temperature": 1.3});
    std::fs::write(&path, json.to_string()).unwrap();
    assert!(ModelBundle::load(folder.path()).is_ok());
}

#[test]
fn what_a_manifest_says_of_its_confidence_survives_a_folder_and_must_be_possible() {
    let embedded = ModelBundle::embedded();
    let mut manifest = embedded.manifest().clone();
    manifest.calibration = Some(Calibration {
        temperature: 1.3,
        basis: Basis::Validation,
        samples: 6_000,
        expected_calibration_error: Some(0.004),
        thresholds: Thresholds::uncertified(0.95),
    });
    let folder = tempfile::tempdir().unwrap();
    let bundle = ModelBundle::from_bytes(embedded.onnx().to_vec(), manifest).unwrap();
    bundle.write(folder.path()).unwrap();
    let again = ModelBundle::load(folder.path()).unwrap();
    assert_eq!(again.manifest(), bundle.manifest());

    let path = folder.path().join(MANIFEST_FILE);
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    json["calibration"]["of a later hangtag"] = 1.into();
    std::fs::write(&path, json.to_string()).unwrap();
    assert!(ModelBundle::load(folder.path()).is_ok());
    json["calibration"]["thresholds"]["accept"][2] = 1.5.into();
    std::fs::write(&path, json.to_string()).unwrap();
    let error = ModelBundle::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("1.5"), "{error}");
}

#[test]
fn a_second_output_has_one_value_a_picture() {
    let embedded = ModelBundle::embedded();
    let mut manifest = embedded.manifest().clone();
    manifest.unknown_output = Some(TensorSpec {
        name: "unknown".into(),
        shape: vec![BATCH, 2],
    });
    let error = ModelBundle::from_bytes(embedded.onnx().to_vec(), manifest).unwrap_err();
    assert!(error.to_string().contains("unknown_output.shape"), "{error}");
}
