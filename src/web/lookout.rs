//! Looks at the inboxes from the outside, for pages: how much room is there, is a file as it was read?
//!
//! In: paths, a look. Out: what it saw of each, or nothing where that takes too long. Never: a thread that reads the store,
//! or a page that waits for a disk which does not answer: a network's may be gone and let everybody wait for good who
//! touches it; an inbox of which nothing is known because of another one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinSet;

use super::pool::{Pool, PoolShape};

/// For one look: a disk that is there answers within milliseconds.
const PATIENCE: Duration = Duration::from_millis(300);
/// Looks at an inbox that may wait. Behind one that hangs they fill up, and from then on it is known at once that nothing
/// is known.
const WAITING: usize = 4;

/// Who is asked for a look.
pub struct Lookout {
    /// The last one is the root's, for files in no inbox.
    posts: Vec<Post>,
}

/// Where an inbox is looked at. One thread: looks that hang take no more.
struct Post {
    folder: PathBuf,
    pool: Pool<()>,
}

impl Lookout {
    /// Starts the threads. `inboxes` are their real paths, as those that are looked at must be.
    pub fn start(inboxes: &[PathBuf]) -> std::io::Result<Lookout> {
        let folders = inboxes.iter().map(PathBuf::as_path).chain([Path::new("/")]);
        let posts = folders.map(|folder| {
            let shape = PoolShape {
                name: "web-look",
                waiting: WAITING,
                nice: 5,
            };
            Ok(Post {
                folder: folder.to_owned(),
                pool: Pool::start(shape, vec![()])?,
            })
        });
        Ok(Lookout {
            posts: posts.collect::<std::io::Result<_>>()?,
        })
    }

    /// What `look_blocking` saw at each of these paths; `None`: its inbox did not answer in time.
    pub async fn look<R: Send + 'static>(
        &self,
        paths: &[PathBuf],
        look_blocking: impl Fn(&Path) -> R + Clone + Send + 'static,
    ) -> Vec<Option<R>> {
        let mut looks = JoinSet::new();
        for (number, post) in self.posts.iter().enumerate() {
            let here = paths.iter().enumerate();
            let here = here.filter(|(_, path)| self.post_of(path) == Some(number));
            let here: Vec<_> = here.map(|(place, path)| (place, path.clone())).collect();
            if here.is_empty() {
                continue;
            }
            let (pool, look_blocking) = (post.pool.clone(), look_blocking.clone());
            looks.spawn(async move {
                let looked = pool.ask(move |()| {
                    let seen = here.iter().map(|(place, path)| (*place, look_blocking(path)));
                    Ok(seen.collect::<Vec<_>>())
                });
                tokio::time::timeout(PATIENCE, looked).await.ok()?.ok()
            });
        }
        let mut seen: Vec<_> = paths.iter().map(|_| None).collect();
        while let Some(looked) = looks.join_next().await {
            for (place, what) in looked.ok().flatten().into_iter().flatten() {
                seen[place] = Some(what);
            }
        }
        seen
    }

    fn post_of(&self, path: &Path) -> Option<usize> {
        self.posts.iter().position(|post| path.starts_with(&post.folder))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};

    use super::*;

    /// Three pages that asked a dead disk for its room took all readers of the store with them; later on, nothing was known
    /// of any inbox where one did not answer.
    #[tokio::test]
    async fn a_disk_that_does_not_answer_holds_up_nobody_and_hides_no_other() {
        let inboxes = ["/shop/dead", "/shop/well"].map(PathBuf::from);
        let lookout = Lookout::start(&inboxes).unwrap();
        let paths = ["/shop/well/a", "/shop/dead/a", "/elsewhere", "/shop/well/b"].map(PathBuf::from);
        let name = |path: &Path| path.display().to_string();
        let known = paths.each_ref().map(|path| Some(name(path)));
        assert_eq!(lookout.look(&paths, name).await, known);

        let (answers_tx, answers_rx) = mpsc::channel::<()>();
        let answers_rx = Arc::new(Mutex::new(answers_rx));
        let hang = move |path: &Path| {
            if path.starts_with("/shop/dead") {
                let _ = answers_rx.lock().unwrap().recv();
            }
            name(path)
        };
        let [first, _, third, fourth] = known.clone();
        let but_the_dead = [first, None, third, fourth];
        assert_eq!(lookout.look(&paths, hang).await, but_the_dead);
        for _ in 0..=WAITING {
            let looked = lookout.look(&paths, name).await;
            assert_eq!(looked, but_the_dead, "another one waits behind it");
        }
        let dead = [PathBuf::from("/shop/dead/a")];
        let places = lookout.posts[0].pool.free_places();
        assert_eq!(places, 0, "no page waits any more");
        drop(answers_tx);
        while lookout.look(&dead, name).await[0].is_none() {}
    }
}
