use hangtag::training::{dataset::*, network::{*, adam::Adam, engine::*}};
use std::time::Instant;
fn main() {
    let data = DataSet::load_blocking("/work/shared/fashion-mnist".as_ref(), Provenance::Official).unwrap();
    let images: usize = std::env::args().nth(1).map_or(54000, |a| a.parse().unwrap());
    let epochs: u32 = std::env::args().nth(2).map_or(1, |a| a.parse().unwrap());
    let mut net = Network::new(Architecture::REFERENCE, 1);
    let mut adam = Adam::new(net.parameters().len());
    let mut engine = Engine::new(Architecture::REFERENCE, 64);
    engine.load(&net);
    let labels: Vec<u8> = data.train.labels.iter().map(|l| l.index() as u8).collect();
    rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap().install(|| {
    for epoch in 1..=epochs {
        let mut order: Vec<u32> = (0..54000).collect();
        random::Stream::new(1, random::Purpose::Shuffle { epoch }).shuffle(&mut order);
        let start = Instant::now();
        let mut t = loss::Tally::default();
        for (i, rows) in order[..images].chunks(64).enumerate() {
            let l: Vec<u8> = rows.iter().map(|&r| labels[r as usize]).collect();
            t.add(engine.train((&mut net, &mut adam), (Batch::Rows { pixels: &data.train.pixels, rows }, &l), BatchPlace { seed: 1, epoch, first: (i * 64) as u32 }, 1e-3));
        }
        let s = start.elapsed().as_secs_f64();
        println!("epoch {epoch}: {s:.2} s = {:.2} s/54000, loss {:.4} acc {:.4}", s * 54000. / images as f64, t.loss(), t.accuracy());
        let start = Instant::now();
        let x: Vec<f32> = data.test.pixels.iter().map(|&p| p as f32 / 255.).collect();
        let p = net.probabilities(&x);
        let ok = p.iter().zip(&data.test.labels).filter(|(p, l)| (0..10).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap() == l.index()).count();
        println!("   test {:.4} in {:.2} s", ok as f64 / p.len() as f64, start.elapsed().as_secs_f64());
    }});
    print!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmHWM")).collect::<String>());
}
