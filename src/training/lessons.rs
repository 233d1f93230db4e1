//! What the network sees in an epoch: which pictures, in which order, and how each is changed.
//!
//! In: the pictures, a seed, what shall be done to them. Out: for each place of an epoch, a picture and what it shows.
//! Never: a validation or test picture, hidden chance: a place of an epoch always shows the same.

use super::augment::{self, Picture, Wardrobe};
use super::dataset::Images;
use super::network::random::{Purpose, Stream};
use super::network::residual::NONE;
use super::sketch::{self, Sketch};
use crate::domain::{Augmentation, INPUT_LEN, Truth};
use crate::preprocess::InputTensor;

/// Share of Fashion-MNIST's pictures that `Augmentation::Photo` draws as photos: docs/training.md says what others did.
const PHOTO_LIKE: f32 = 0.2;
/// Pictures of none of the classes for each one of Fashion-MNIST's.
const OUTLIER_SHARE: f64 = 0.08;
/// What an epoch that is never trained on is called: its pictures measure what normalises.
pub const MEASURING_EPOCH: u32 = 0;

/// Photos that a person said the truth of, prepared for the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Photos {
    /// 784 bytes each.
    pub pixels: Vec<u8>,
    /// By what each is told from others.
    pub sketches: Vec<Sketch>,
    /// What each shows.
    pub truths: Vec<Truth>,
}

impl Photos {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.truths.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.truths.is_empty()
    }

    /// One more, as preprocessing left it.
    pub fn push(&mut self, input: &InputTensor, sketch: Sketch, truth: Truth) {
        // Exactly the bytes that the tensor was made of.
        let bytes = input.values().iter().map(|value| (value * 255.0).round() as u8);
        self.pixels.extend(bytes);
        self.sketches.push(sketch);
        self.truths.push(truth);
    }

    /// Others behind these.
    pub fn extend(&mut self, others: Photos) {
        self.pixels.extend(others.pixels);
        self.sketches.extend(others.sketches);
        self.truths.extend(others.truths);
    }

    /// For each, the place of its picture among the different ones, in the order in which they first come. Photos that
    /// differ as files may be one picture, and share a place.
    pub fn places(&self) -> Vec<usize> {
        sketch::places(&self.sketches)
    }

    /// For each, whether none before it is the same picture: one picture proves as much as one, under however many hashes it
    /// is there.
    pub fn firsts(&self) -> Vec<bool> {
        let mut next = 0;
        let places = self.places().into_iter();
        places
            .map(|place| {
                let is_first = place == next;
                next += usize::from(is_first);
                is_first
            })
            .collect()
    }

    /// How many show none of the classes.
    pub fn unknown(&self) -> usize {
        self.truths.iter().filter(|truth| truth.label().is_none()).count()
    }

    /// Those that show one of the classes, as pictures of a data set.
    pub fn labelled(&self) -> Images {
        let mut images = Images::default();
        for (number, truth) in self.truths.iter().enumerate() {
            if let Some(label) = truth.label() {
                images.pixels.extend_from_slice(picture(&self.pixels, number));
                images.labels.push(label);
            }
        }
        images
    }

    /// Those whose number fulfils a condition, in their order.
    pub fn only(&self, is_wanted: impl Fn(usize) -> bool) -> Photos {
        let numbers: Vec<usize> = (0..self.len()).filter(|&number| is_wanted(number)).collect();
        self.pick(&numbers)
    }

    /// Those of these numbers, in the order of these.
    pub fn pick(&self, numbers: &[usize]) -> Photos {
        let mut some = Photos::default();
        for &number in numbers {
            some.pixels.extend_from_slice(picture(&self.pixels, number));
            some.sketches.push(self.sketches[number]);
            some.truths.push(self.truths[number]);
        }
        some
    }
}

/// One place in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lesson {
    /// A training row of Fashion-MNIST.
    Fashion(u32),
    /// One that stands for another one like it, too.
    FashionTwice(u32),
    /// A corrected photo.
    Photo(u32),
    /// Something drawn that is none of the classes.
    Outlier,
}

/// How much of what an epoch has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// What is done to Fashion-MNIST's pictures.
    pub augmentation: Augmentation,
    /// Pictures of Fashion-MNIST.
    pub fashion: usize,
    /// Corrected photos, each as often as the others up to one; 0 where there are none.
    pub photos: usize,
}

/// Everything that lessons are made of.
pub struct Lessons<'a> {
    images: &'a Images,
    photos: &'a Photos,
    wardrobe: Option<Wardrobe>,
    train_rows: usize,
    mix: Mix,
    seed: u64,
}

/// The lessons of one epoch, in order.
pub struct Epoch<'a> {
    lessons: &'a Lessons<'a>,
    number: u32,
    order: Vec<Lesson>,
}

impl<'a> Lessons<'a> {
    /// From the first `train_rows` of `images` and all of `photos`.
    pub fn new((images, train_rows): (&'a Images, usize), photos: &'a Photos, mix: Mix, seed: u64) -> Self {
        Self {
            images,
            photos,
            wardrobe: (mix.augmentation == Augmentation::Photo).then(|| Wardrobe::new(images, train_rows)),
            train_rows,
            mix,
            seed,
        }
    }

    /// The epoch with this number, with all pictures.
    pub fn epoch(&'a self, number: u32) -> Epoch<'a> {
        self.thinned_epoch(number, &[])
    }

    /// The epoch with this number. Of the training rows whose loss (`losses[row]`, when they were last seen; absent rows
    /// have not been) is below the mean, every other one by chance is left out and the others count twice: the gradient
    /// stays the same in expectation, and a third of the work is saved (InfoBatch: Qin et al., ICLR 2024).
    pub fn thinned_epoch(&'a self, number: u32, losses: &[f32]) -> Epoch<'a> {
        let mut draw = Stream::new(self.seed, Purpose::Shuffle { epoch: number });
        let mut rows: Vec<u32> = (0..self.train_rows as u32).collect();
        draw.shuffle(&mut rows);
        rows.truncate(self.mix.fashion);
        let mean = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len().max(1) as f64;
        let is_easy = |row: u32| {
            losses
                .get(row as usize)
                .is_some_and(|&loss| f64::from(loss) < mean)
        };
        let rows: Vec<Lesson> = rows
            .into_iter()
            .filter_map(|row| match is_easy(row) {
                false => Some(Lesson::Fashion(row)),
                true => draw.chance(0.5).then_some(Lesson::FashionTwice(row)),
            })
            .collect();
        let outliers = match self.mix.augmentation {
            Augmentation::Photo => (rows.len() as f64 * OUTLIER_SHARE).round() as usize,
            Augmentation::None | Augmentation::Catalogue => 0,
        };
        let mut order = rows;
        if outliers + self.mix.photos > 0 {
            let count = self.photos.len() as u32;
            let mut some: Vec<u32> = (0..count).collect();
            draw.shuffle(&mut some);
            order.extend(std::iter::repeat_n(Lesson::Outlier, outliers));
            order.extend(some.into_iter().cycle().take(self.mix.photos).map(Lesson::Photo));
            draw.shuffle(&mut order);
        }
        Epoch {
            lessons: self,
            number,
            order,
        }
    }
}

impl Epoch<'_> {
    /// How many places it has.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// What the picture at a place shows; `NONE` for none of the ten. Past the end it begins anew.
    pub fn truth(&self, place: usize) -> u8 {
        match self.order[place % self.order.len()] {
            Lesson::Fashion(row) | Lesson::FashionTwice(row) => {
                self.lessons.images.labels[row as usize].index() as u8
            }
            Lesson::Photo(number) => {
                let truth = self.lessons.photos.truths[number as usize].label();
                truth.map_or(NONE, |label| label.index() as u8)
            }
            Lesson::Outlier => NONE,
        }
    }

    /// How much the picture at a place counts.
    pub fn weight(&self, place: usize) -> f32 {
        match self.order[place % self.order.len()] {
            Lesson::FashionTwice(_) => 2.0,
            Lesson::Fashion(_) | Lesson::Photo(_) | Lesson::Outlier => 1.0,
        }
    }

    /// The training row at a place, if one is there.
    pub fn row(&self, place: usize) -> Option<usize> {
        match self.order[place % self.order.len()] {
            Lesson::Fashion(row) | Lesson::FashionTwice(row) => Some(row as usize),
            Lesson::Photo(_) | Lesson::Outlier => None,
        }
    }

    /// The picture at a place. Past the end it begins anew, with the same pictures changed in other ways.
    pub fn draw(&self, place: usize, values: &mut Picture) {
        let lessons = self.lessons;
        let mut draw = Stream::new(
            lessons.seed,
            Purpose::Augment {
                epoch: self.number,
                image: place as u32,
            },
        );
        match (self.order[place % self.order.len()], &lessons.wardrobe) {
            (Lesson::Fashion(row) | Lesson::FashionTwice(row), wardrobe) => {
                let row = row as usize;
                let pixels = picture(&lessons.images.pixels, row);
                match (lessons.mix.augmentation, wardrobe) {
                    (Augmentation::Photo, Some(wardrobe)) if draw.chance(PHOTO_LIKE) => {
                        augment::photo(wardrobe, pixels, lessons.images.labels[row], &mut draw, values);
                    }
                    (Augmentation::None, _) => plain(pixels, values),
                    (Augmentation::Catalogue | Augmentation::Photo, _) => {
                        augment::catalogue(pixels, &mut draw, values);
                    }
                }
            }
            (Lesson::Photo(number), _) => {
                augment::corrected(
                    picture(&lessons.photos.pixels, number as usize),
                    &mut draw,
                    values,
                );
            }
            (Lesson::Outlier, Some(wardrobe)) => augment::outlier(wardrobe, &mut draw, values),
            (Lesson::Outlier, None) => unreachable!("only photo lessons have outliers; this is a bug"),
        }
    }
}

/// A picture as it is, 0..=1: exactly what preprocessing makes of it.
pub fn plain(pixels: &[u8; INPUT_LEN], values: &mut Picture) {
    for (value, &pixel) in values.iter_mut().zip(pixels) {
        *value = f32::from(pixel) / 255.0;
    }
}

/// Picture number `index` of pictures that lie behind one another.
pub fn picture(pixels: &[u8], index: usize) -> &[u8; INPUT_LEN] {
    &pixels.as_chunks::<INPUT_LEN>().0[index]
}

#[cfg(test)]
mod tests;
