//! The file has what the network has, and gives it back.

use super::*;
use crate::domain::PreprocessingVersion;
use crate::training::export::to_onnx;
use crate::training::network::random::{Purpose, Stream};

const CHANNELS: Channels = Channels {
    stem: 3,
    blocks: 1,
    upper: 4,
    middle: 4,
    middle_blocks: 1,
    deep: 5,
};

/// Any numbers, variances above zero.
fn network() -> Network {
    let architecture = Architecture::Residual(CHANNELS);
    let mut stream = Stream::new(9, Purpose::Corrections);
    let count = architecture.parameter_count() + architecture.statistics_count();
    let numbers = (0..count).map(|_| stream.next_unit() + 0.01).collect();
    Network::from_numbers(architecture, numbers).unwrap()
}

fn file(network: &Network, temperature: f64, knows_unknown: bool) -> Vec<u8> {
    let tempering = Tempering {
        temperature,
        knows_unknown,
    };
    to_onnx(network, tempering, PreprocessingVersion(4))
}

fn outputs(onnx: &[u8]) -> Vec<String> {
    let model = onnx_rs::parse(onnx).unwrap();
    let outputs = model.graph.unwrap().output;
    outputs.iter().map(|output| output.name.to_owned()).collect()
}

#[test]
fn a_network_comes_back_from_its_file_as_it_was() {
    let network = network();
    assert_eq!(
        network_from(&file(&network, 1.0, true), CHANNELS, 1.0).unwrap(),
        network
    );
    let found = network_from(&file(&network, 1.7, true), CHANNELS, 1.7).unwrap();
    let dense = CHANNELS.places().dense_weights.start;
    for (place, (found, own)) in found.numbers().iter().zip(network.numbers()).enumerate() {
        // Divided and multiplied again, a number may lose its last bit.
        let allowed = if place < dense { 0.0 } else { own * 2e-7 };
        assert!((found - own).abs() <= allowed, "{place}: {found}, not {own}");
    }
    let picture = vec![0.5; crate::domain::INPUT_LEN];
    let (answer, again) = (network.probabilities(&picture), found.probabilities(&picture));
    assert!((answer[0].1.unwrap() - again[0].1.unwrap()).abs() < 1e-6);
}

#[test]
fn only_a_file_that_fits_gives_a_network() {
    let network = network();
    let whole = file(&network, 1.0, true);
    let wider = Channels { upper: 6, ..CHANNELS };
    let reference = to_onnx(
        &Network::new(Architecture::REFERENCE, 1),
        Tempering::NONE,
        PreprocessingVersion(4),
    );
    for (onnx, channels, words) in [
        (&whole, wider, "it has no unit3_weights of 162 numbers"),
        (&reference, CHANNELS, "it has no unit0_weights of 27 numbers"),
        (
            &file(&network, 1.0, false),
            CHANNELS,
            "it has no unknown_weights of 5 numbers",
        ),
        (&b"no model".to_vec(), CHANNELS, "it cannot be parsed"),
    ] {
        let message = network_from(onnx, channels, 1.0).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn only_a_network_that_knows_of_them_has_an_output_for_none_of_the_classes() {
    let network = network();
    assert_eq!(outputs(&file(&network, 1.0, true)), [OUTPUT_NAME, UNKNOWN_NAME]);
    assert_eq!(outputs(&file(&network, 1.0, false)), [OUTPUT_NAME]);
    let plain = Network::new(Architecture::REFERENCE, 1);
    assert_eq!(outputs(&file(&plain, 1.0, true)), [OUTPUT_NAME]);
}

#[test]
fn the_file_holds_every_number_that_is_used() {
    for (knows_unknown, unused) in [(true, 0), (false, CHANNELS.deep + 1)] {
        let network = network();
        let onnx = file(&network, 1.0, knows_unknown);
        let graph = onnx_rs::parse(&onnx).unwrap().graph.unwrap();
        let counts = graph
            .initializer
            .iter()
            .map(|tensor| tensor.dims().iter().product::<i64>());
        assert_eq!(counts.sum::<i64>() as usize, network.numbers().len() - unused);
        assert_eq!(
            onnx,
            file(&network, 1.0, knows_unknown),
            "and always the same bytes"
        );
    }
}
