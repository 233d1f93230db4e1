//! The classifier on the shipped model, and what it says when something is wrong.

use super::*;
use crate::model::bundle::TensorSpec;
use crate::model::testing;

fn open(options: &InferenceOptions) -> Result<(OnnxClassifier, DeviceReport), OpenError> {
    OnnxClassifier::open(testing::runtime(), &ModelBundle::embedded(), options)
}

fn on_cpu(max_batch: usize) -> OnnxClassifier {
    open(&InferenceOptions {
        max_batch,
        ..InferenceOptions::default()
    })
    .unwrap()
    .0
}

#[test]
fn every_picture_gets_a_distribution() {
    let mut classifier = on_cpu(64);
    classifier.warm_up().unwrap();
    let tensors: Vec<_> = (0..5).map(testing::tensor).collect();
    let answers = classifier.classify(&tensors.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(answers.len(), 5);
    for answer in answers {
        let sum: f32 = answer.scores.values().iter().sum();
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    }
    assert_eq!(classifier.device(), Device::Cpu);
    assert_eq!(classifier.id(), ModelBundle::embedded().id());
}

#[test]
fn the_answer_does_not_depend_on_the_company_or_the_cut() {
    let tensors: Vec<_> = (0..7).map(testing::tensor).collect();
    let all: Vec<_> = tensors.iter().collect();
    let mut whole = on_cpu(64);
    let together = whole.classify(&all).unwrap();
    let in_threes = on_cpu(3).classify(&all).unwrap();
    for (index, tensor) in tensors.iter().enumerate() {
        let alone = whole.classify(&[tensor]).unwrap()[0];
        for other in [together[index], in_threes[index]] {
            for (a, b) in alone.scores.values().iter().zip(other.scores.values()) {
                assert!((a - b).abs() < 1e-5, "picture {index}: {a} and {b}");
            }
        }
    }
    // Different pictures, different answers: the order is kept.
    assert_ne!(together[0], together[1]);
}

#[test]
fn nothing_asked_nothing_answered() {
    assert!(on_cpu(8).classify(&[]).unwrap().is_empty());
}

#[test]
fn cuda_on_a_library_without_it_is_an_error_with_its_cause() {
    if testing::runtime().providers().contains(&ep::CUDA::NAME) {
        println!("skipped: this library has CUDA");
        return;
    }
    let options = InferenceOptions {
        device: DevicePolicy::Cuda,
        ..InferenceOptions::default()
    };
    let error = open(&options).err().unwrap();
    assert!(matches!(error, OpenError::Cuda { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("inference.device") && text.contains("CUDA") && !text.contains('\n'),
        "{text}"
    );
}

#[test]
fn auto_falls_back_to_the_cpu_and_tells_why() {
    if testing::runtime().providers().contains(&ep::CUDA::NAME) {
        println!("skipped: this library has CUDA");
        return;
    }
    let options = InferenceOptions {
        device: DevicePolicy::Auto,
        ..InferenceOptions::default()
    };
    let (mut classifier, report) = open(&options).unwrap();
    assert_eq!((report.asked, report.got), (DevicePolicy::Auto, Device::Cpu));
    assert!(report.why.is_some_and(|why| !why.is_empty()));
    assert_eq!(classifier.device(), Device::Cpu);
    assert_eq!(classifier.classify(&[&testing::tensor(1)]).unwrap().len(), 1);
}

#[test]
fn a_graph_that_is_not_as_its_manifest_says_is_refused() {
    let embedded = ModelBundle::embedded();
    let mut manifest = embedded.manifest().clone();
    manifest.input.name = "pixels".into();
    let bundle = ModelBundle::from_bytes(embedded.onnx().to_vec(), manifest).unwrap();
    let error = OnnxClassifier::open(testing::runtime(), &bundle, &InferenceOptions::default())
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(text.contains("pixels") && text.contains("input"), "{text}");
}

#[test]
fn what_is_no_onnx_file_is_refused_with_the_models_name() {
    let mut manifest = ModelBundle::embedded().manifest().clone();
    let onnx = b"not a network".to_vec();
    manifest.model_sha256 = crate::model::bundle::model_sha256(&onnx);
    let bundle = ModelBundle::from_bytes(onnx, manifest).unwrap();
    let error = OnnxClassifier::open(testing::runtime(), &bundle, &InferenceOptions::default())
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Session { .. }));
    assert!(error.to_string().contains(bundle.id().as_str()), "{error}");
}

#[test]
fn a_cause_is_told_without_the_library_s_source_line() {
    let long = "/src/provider_bridge.cc:2043 Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load\n libcuda : no such file";
    assert_eq!(plain(long), "Failed to load libcuda : no such file");
    assert_eq!(
        plain("not  enabled\nin this build."),
        "not enabled in this build."
    );
    assert_eq!(plain("[ONNXRuntimeError] : 1"), "[ONNXRuntimeError] : 1");
    let cuda = "/src/cuda_call.cc:154 CudaCall(int) [with THRW = true] CUDA failure 35: the driver is too old ; GPU=-1 ; hostname=x ; expr=cudaSetDevice(id);";
    assert_eq!(plain(cuda), "CUDA failure 35: the driver is too old");
}

/// A network with a second output: ten equal probabilities, and the picture's mean brightness as its `unknown` score.
fn with_unknown_output() -> ModelBundle {
    use crate::model::bundle::{BATCH, model_sha256};
    use onnx_rs::ast::*;
    let outlet = |name, rest: &[i64]| {
        let dimension = |value| TensorShapeDimension {
            value,
            denotation: "",
        };
        let mut dim = vec![dimension(Dimension::Param("N"))];
        dim.extend(rest.iter().map(|&extent| dimension(Dimension::Value(extent))));
        ValueInfo {
            name,
            r#type: Some(TypeProto {
                value: Some(TypeValue::Tensor(TensorTypeProto {
                    elem_type: DataType::Float,
                    shape: Some(TensorShape { dim }),
                })),
                denotation: "",
            }),
            ..ValueInfo::default()
        }
    };
    let node = |op_type, input: &[&'static str], output| Node {
        name: output,
        op_type,
        input: input.to_vec(),
        output: vec![output],
        ..Node::default()
    };
    let graph = Graph {
        name: "two outputs",
        node: vec![
            node(OpType::Flatten, &["image"], "flat"),
            node(OpType::Gemm, &["flat", "weights", "biases"], "sums"),
            node(OpType::Softmax, &["sums"], "probabilities"),
            node(OpType::GlobalAveragePool, &["image"], "mean"),
            node(OpType::Flatten, &["mean"], "unknown"),
        ],
        initializer: vec![
            TensorProto::from_f32("weights", vec![784, 10], vec![0.0; 7_840]),
            TensorProto::from_f32("biases", vec![10], vec![0.0; 10]),
        ],
        input: vec![outlet("image", &[1, 28, 28])],
        output: vec![outlet("probabilities", &[10]), outlet("unknown", &[1])],
        ..Graph::default()
    };
    let onnx = onnx_rs::encode(&Model {
        ir_version: 8,
        opset_import: vec![OperatorSetId {
            domain: "",
            version: 17,
        }],
        graph: Some(graph),
        ..Model::default()
    });
    let mut manifest = ModelBundle::embedded().manifest().clone();
    manifest.model_sha256 = model_sha256(&onnx);
    manifest.unknown_output = Some(TensorSpec {
        name: "unknown".into(),
        shape: vec![BATCH, 1],
    });
    ModelBundle::from_bytes(onnx, manifest).unwrap()
}

#[test]
fn a_second_output_is_read_in_the_same_run() {
    let bundle = with_unknown_output();
    let (mut classifier, _) =
        OnnxClassifier::open(testing::runtime(), &bundle, &InferenceOptions::default()).unwrap();
    let pictures = [[0; INPUT_LEN], [51; INPUT_LEN], [255; INPUT_LEN]]
        .map(|pixels| crate::preprocess::from_idx(&pixels));
    let answers = classifier.classify(&pictures.iter().collect::<Vec<_>>()).unwrap();
    for (answer, brightness) in answers.iter().zip([0.0, 0.2, 1.0]) {
        let unknown = answer.unknown.unwrap().get();
        assert!((unknown - brightness).abs() < 1e-5, "{unknown}");
        assert!((answer.scores.values()[7] - 0.1).abs() < 1e-6);
    }
}

#[test]
fn a_graph_and_a_manifest_must_agree_on_the_second_output() {
    let bundle = with_unknown_output();
    let mut manifest = bundle.manifest().clone();
    manifest.unknown_output = None;
    let silent = ModelBundle::from_bytes(bundle.onnx().to_vec(), manifest.clone()).unwrap();
    manifest.unknown_output = bundle.manifest().unknown_output.clone().map(|output| TensorSpec {
        name: "unknown_besides".into(),
        ..output
    });
    let boasting = ModelBundle::from_bytes(bundle.onnx().to_vec(), manifest).unwrap();
    for wrong in [silent, boasting] {
        let opened = OnnxClassifier::open(testing::runtime(), &wrong, &InferenceOptions::default());
        let text = opened.err().unwrap().to_string();
        assert!(text.contains("output") && text.contains("unknown"), "{text}");
    }
}
