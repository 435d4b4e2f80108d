//! From a key to the frame that shows it, with a thousand stores and pipelines. Ignored in ordinary runs: a debug build says
//! nothing about it. `cargo test --release --test screens -- --ignored --nocapture speed` prints the figures.

use crate::fixture::*;
use crate::{advice, stores, triage};
use godwit::model::pipeline::Stage;
use godwit::tui::screens::frame;
use godwit::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::time::{Duration, Instant};

/// The design's budget (section 8).
const BUDGET: Duration = Duration::from_millis(16);

/// For taking in a view of 20,000 lines, the old one's memory given back: it comes every ten seconds at most, and a key that meets it
/// waits that long once.
const ARRIVAL: Duration = Duration::from_millis(50);

#[test]
#[ignore = "measures: a figure of the release build"]
fn a_key_is_shown_within_a_frame_with_a_thousand_stores() {
    let names: Vec<String> = (0..1_000).map(|n| format!("pipe-{n:04}")).collect();
    let ids: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = Story::with(Some("production"), 2, &ids);
    story.up_to("cutover");
    let mut samples = healthy();
    for (n, id) in ids.iter().enumerate() {
        story.running(id, Stage::Live);
        story.tell(godwit::model::event::Event::Verified { pipeline: (*id).into(), tables: vec![verified("orders")] });
        samples.pipelines.insert((*id).into(), if n % 10 == 0 { copying() } else { pipeline_sample() });
        samples.stores.insert(format!("store-{n:04}").into(), store("postgres", "16.2", "10.0.0.1:5432"));
    }
    story.request("cutover", "ben");
    let mut cockpit = cockpit(&story, samples);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 140, 40));
    stores::show(&mut cockpit, vec![triage::crowd(1_000), stores::replication()]);
    stores::show(&mut cockpit, vec![advice::many_spots(1_000, 20), advice::many(1_000, 20)]);
    let keys = [
        "1", "j", "PgDn", "G", "2", "j", "3", "j", "G", "4", "j", "PgDn", "5", "k", "PgUp", "f", "6", "j", "G", ">",
        "a", "m", "7", "j", "G", ">", "8", "j", ">", "9", "j", "G", ">", "/", "t", "e", "n", "Enter", "Enter", "Esc",
        "Esc", "u", "j", "PgDn", "G", ">", "a", "/", "o", "r", "d", "Enter", "Enter", "Esc", "Esc", "p", "p", "?",
        "Esc",
    ];
    let mut worst: Vec<(Duration, &str, &str)> = Vec::new();
    for _ in 0..5 {
        let mut screen = "1";
        for name in keys {
            let begun = Instant::now();
            press(&mut cockpit, name);
            let last = frame::draw(&cockpit, Theme::new(true), &mut buffer);
            cockpit.on_drawn(last);
            if name.parse::<u8>().is_ok() || name == "u" {
                screen = name;
            }
            worst.push((begun.elapsed(), screen, name));
        }
    }
    let mut arrivals = Vec::new();
    for view in [advice::many_spots(1_000, 20), advice::many(1_000, 20)] {
        let begun = Instant::now();
        stores::show(&mut cockpit, vec![view]);
        arrivals.push(begun.elapsed());
    }
    worst.sort();
    for (elapsed, screen, name) in worst.iter().rev().take(12) {
        println!("  {elapsed:>10.1?}  screen {screen}, key {name}");
    }
    let (median, slowest) = (worst[worst.len() / 2], worst[worst.len() - 1]);
    // The output of an ignored measurement is its purpose.
    println!("key to frame at 140x40, 1000 stores, 1000 pipelines, {} journal rows:", cockpit.live().lines.len());
    println!("median {:?}, slowest {:?} (screen {}, key {})", median.0, slowest.0, slowest.1, slowest.2);
    println!("views of 20,000 lines are listed within {arrivals:?}");
    assert!(slowest.0 < BUDGET, "slower than {BUDGET:?}");
    assert!(arrivals.iter().all(|elapsed| *elapsed < ARRIVAL), "a view took longer than {ARRIVAL:?}");
}
