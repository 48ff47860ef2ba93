//! The doors of sessions in a room.

use crate::support::doors::{loudspeaker, microphone};
use crate::support::{World, infos};
use beluga_livekit::{Command, InputRoute, LocalTrackId, TrackSource};
use beluga_webrtc::{InputId, Mid, OutputId};
use livekit_protocol as proto;

const EAR: InputId = InputId(1);
const MOUTH: OutputId = OutputId(2);
const VOICE: LocalTrackId = LocalTrackId(3);

fn bound_input(world: &World) -> Option<Mid> {
    world.peer().get().inputs[&EAR].1.clone()
}

fn bound_output(world: &World) -> Option<Mid> {
    world.peer().get().outputs[&MOUTH].1.clone()
}

fn mid(mid: &str) -> Option<Mid> {
    Some(Mid(mid.to_owned()))
}

fn attach(world: &mut World, route: InputRoute) {
    world.ask(Command::AttachInput {
        input: EAR,
        door: loudspeaker(),
        route,
    });
    world.ask(Command::AttachOutput {
        output: MOUTH,
        door: microphone(),
        track: Some(VOICE),
    });
}

fn caller() -> InputRoute {
    InputRoute::Participant {
        identity: "caller".to_owned(),
        source: TrackSource::Microphone,
    }
}

#[test]
fn a_caller_is_heard_through_unpublishing_republishing_and_rejoining() {
    let mut world = World::joined();
    attach(&mut world, caller());
    assert_eq!(bound_input(&world), None);
    let first = infos::participant("caller", &["TR_a"]);
    world.update(std::slice::from_ref(&first));
    world.subscribe(1, &[("0", "TR_a")]);
    assert_eq!(bound_input(&world), mid("0"));
    // Another track from the same microphone, on another section.
    let second = infos::newer(&first, |info| info.tracks = vec![infos::track("TR_b")]);
    world.update(&[second]);
    assert_eq!(bound_input(&world), None);
    world.subscribe(1, &[("1", "TR_b")]);
    assert_eq!(bound_input(&world), mid("1"));
    let mut again = infos::participant("caller", &["TR_c"]);
    again.sid = "PA_again".to_owned();
    world.update(&[again]);
    world.subscribe(0, &[("0", "TR_c")]);
    assert_eq!(bound_input(&world), mid("0"));
}

#[test]
fn a_route_to_a_participant_takes_the_source_that_it_names() {
    let mut world = World::joined();
    attach(&mut world, caller());
    let mut info = infos::participant("caller", &["TR_screen", "TR_mic"]);
    info.tracks[0].source = proto::TrackSource::ScreenShareAudio as i32;
    world.update(&[info, infos::participant("other", &["TR_o"])]);
    world.subscribe(3, &[("0", "TR_screen"), ("1", "TR_o"), ("2", "TR_mic")]);
    assert_eq!(bound_input(&world), mid("2"));
    world.ask(Command::RouteInput {
        input: EAR,
        route: InputRoute::Track("TR_o".to_owned()),
    });
    assert_eq!(bound_input(&world), mid("1"));
    world.ask(Command::RouteInput {
        input: EAR,
        route: InputRoute::Nothing,
    });
    assert_eq!(bound_input(&world), None);
}

#[test]
fn packets_go_on_a_track_while_it_is_published_and_not_muted() {
    let mut world = World::joined();
    attach(&mut world, caller());
    assert_eq!(bound_output(&world), None);
    world.publish_voice(VOICE);
    assert_eq!(bound_output(&world), mid("0"));
    for (muted, place) in [(true, None), (false, mid("0"))] {
        let track = VOICE;
        world.ask(Command::Mute { track, muted });
        assert_eq!(bound_output(&world), place);
    }
    world.ask(Command::Unpublish { track: VOICE });
    assert_eq!(bound_output(&world), None);
    let other = LocalTrackId(9);
    world.answer(&[]);
    world.publish_voice(other);
    world.ask(Command::RouteOutput {
        output: MOUTH,
        track: Some(other),
    });
    assert_eq!(bound_output(&world), mid("1"));
}

#[test]
fn doors_can_be_given_before_the_room_is_joined_and_taken_at_any_time() {
    let mut world = World::new(crate::support::config());
    attach(&mut world, caller());
    assert_eq!(bound_input(&world), None);
    for (command, found) in [
        (Command::DetachInput(EAR), true),
        (Command::DetachInput(EAR), false),
        (Command::DetachOutput(MOUTH), true),
        (Command::DetachOutput(MOUTH), false),
        (
            Command::RouteInput {
                input: EAR,
                route: caller(),
            },
            false,
        ),
        (
            Command::RouteOutput {
                output: MOUTH,
                track: None,
            },
            false,
        ),
    ] {
        let id = world.ask(command);
        assert_eq!(world.result(id).unwrap().is_ok(), found);
    }
    assert!(world.peer().get().inputs.is_empty());
    assert!(world.peer().get().outputs.is_empty());
}

#[test]
fn a_door_of_a_name_that_is_taken_is_refused() {
    let mut world = World::joined();
    attach(&mut world, caller());
    let id = world.ask(Command::AttachInput {
        input: EAR,
        door: loudspeaker(),
        route: InputRoute::Nothing,
    });
    let error = world.result(id).cloned().unwrap().unwrap_err();
    assert_eq!(error.code.as_str(), "invalid_state");
    world.update(&[infos::participant("caller", &["TR_a"])]);
    world.subscribe(1, &[("0", "TR_a")]);
    assert_eq!(
        bound_input(&world),
        mid("0"),
        "the first one is there still"
    );
}
