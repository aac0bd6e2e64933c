use v5.36;

# Slots move while they are in use: to a master that was there, to one that has
# just come, and away from one that leaves. Nobody waits, nobody is answered
# for another, no answer is lost, and changes are heard from wherever they are.

use lib 't/lib';
use List::Util qw(max shuffle uniq);
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Load;
use ConsentGate::Test;

use constant SLOTS => 150;      # that move under load

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $cluster = $t->cluster(masters => 3);
my $consent = $cluster->consent('timeout 500ms; write_timeout 1s;');

$t->nginx(load_site($consent,
    http => 'consent_cache zone=records:1m;'), workers => 2);

my $load = ConsentGate::Load->new(test => $t, store => $cluster);

sub account ($name) {
    return $t->script('DE', headers => ['X-Test-Account' => $name]);
}

sub told ($http) {
    my $explained = $http->get('/')->header('Consent-Gate');
    return $explained =~ /reason=(\w+)/ ? $1 : 'none';
}

sub slot_of ($account) {
    return $cluster->slot(key_of(account => $account)->{record});
}

# The slots of subjects, those of readers first: they are in use.
my @slots = uniq map { slot_of($_) } map({ "reader$_" } 0 .. 199),
    map({ "writer$_" } 0 .. 500);


subtest 'slots move to another master, under load' => sub {
    my ($from, $to) = $cluster->masters;
    my %here = map { $_ => 1 } $cluster->slots_of($from);
    my @moving = grep { $here{$_} } @slots;
    $#moving = SLOTS - 1 if @moving > SLOTS;

    my ($moved, @way) = (0);
    my $step = 0;

    # a slot is on its way for a few requests, with some of its keys here and
    # some there
    my $seen = $load->run(sub ($seen) {
        return 1 if $step++ % 10;

        if (@way) {
            my ($slot, $source) = @way;

            if (!$cluster->move_keys($slot, $source, $to, 1)) {
                $cluster->end_move($slot, $source, $to);
                $moved++;
                @way = ();
            }
        } elsif (@moving) {
            my $slot = shift @moving;
            @way = ($slot, $cluster->begin_move($slot, $to));
        }

        return @moving || @way;
    });

    cmp_ok $moved, '>', SLOTS / 4, "$moved slots have moved";
    $load->check($seen);
    is $seen->{down} + $seen->{refused}, 0, 'nobody went without the store';
    unlike $t->log, qr/\[(?:warn|error)\].*consent/, 'the log is quiet';
};


subtest 'a slot that is on its way for long' => sub {
    my $slot = slot_of('anna');
    my $old = $cluster->owner($slot);
    my ($new) = grep { $_ != $old } $cluster->masters;
    my $anna = account('anna');
    my $state = $anna->get('/consent/state')->json;

    # others of this slot, one of whom has moved already
    my $events = key_of(account => 'anna')->{events};
    my @others = (grep { key_of(account => $_)->{events} eq $events }
        map { "b$_" } 1 .. 60_000)[0, 1];
    is answer_as_script(account($_))->status, 200, 'others of this slot'
        for @others;
    is told($_), 'accepted', 'have accepted' for map { account($_) } @others;

    $cluster->begin_move($slot, $new);
    $cluster->migrate($old, $new,
        map { key_of(account => $_)->{record} } 'anna', $others[0]);

    is told($_), 'accepted', 'which holds wherever it is'
        for map { account($_) } @others;
    is told($anna), 'missing', 'who has not is still asked';

    # record and events are not in one place: the nodes say TRYAGAIN
    my $r = answer_as_script($anna, state => $state);
    is $r->status, 503, 'what cannot be recorded now';
    is $r->header('Retry-After'), 5, 'is to be sent again';

    1 while $cluster->move_keys($slot, $old, $new);
    $cluster->end_move($slot, $old, $new);

    is told($_), 'accepted', 'still so when it is there'
        for map { account($_) } @others;
    is answer_as_script($anna, state => $state)->status, 200,
        'and then it is recorded';
    is told($anna), 'accepted', 'once and for all';
};


subtest 'a master comes' => sub {
    my $new = $cluster->add;
    my @moving = @slots[0 .. 19];
    my $from = $t->log_size;

    $cluster->move($_, $new) for @moving;

    my $name = '127.0.0.1:' . $new->port;
    ok $t->wait_for_log(qr/consent feed \Q$name\E: up/, from => $from),
        'its changes are heard';

    my $seen = $load->run(sub ($seen) { $seen->{ok} < 1000 });
    $load->check($seen);

    # a change at the new master, as every worker hears it
    my ($n) = grep { my $slot = slot_of("reader$_");
        $_ % 5 != 4 && grep { $_ == $slot } @moving } 0 .. 199;
    my $key = key_of(account => "reader$n")->{record};
    my @workers = map { account("reader$n") } 1 .. 4;

    my @took;

    for my $round (1 .. 10) {
        for my $want (qw(declined accepted)) {
            told($_) for @workers, @workers;
            $cluster->cmd('HSET', $key, 'd.terms',
                $want eq 'accepted' ? 1 : '-');
            my $began = time;
            wait_for(sub { @workers == grep { told($_) eq $want } @workers });
            push @took, time - $began;
        }
    }

    cmp_ok max(@took), '<', 0.5, 'and in force at once'
        or diag "@took";
    diag sprintf 'a change at the new master: %.1f ms, at most %.1f ms',
        1000 * (sort { $a <=> $b } @took)[@took / 2], 1000 * max(@took);
};


subtest 'a master leaves' => sub {
    my ($first) = $cluster->masters;
    my $name = '127.0.0.1:' . ($cluster->nodes)[-1]->port;
    my $leaving = ($cluster->nodes)[-1];

    $cluster->move($_, $first) for $cluster->slots_of($leaving);

    ok wait_for(sub {
        my @nodes = @{ $t->get('/status')->json->{nodes} };
        !grep { $_->{address} eq $name } @nodes;
    }, 45), 'it is not asked any more';

    $leaving->stop;
    $load->check($load->run(sub ($seen) { $seen->{ok} < 1000 }));
};

subtest 'the policies move' => sub {
    my $slot = $cluster->slot('gc:p');
    my $old = $cluster->owner($slot);
    my ($new) = grep { $_ != $old } $cluster->masters;
    my $anna = account('anna');

    $cluster->cmd('HSET', 'gc:p', 'terms', 'version=1 required=1');
    $cluster->move($slot, $new);
    $cluster->cmd('HSET', 'gc:p', 'terms', 'version=2 required=2');

    my $began = time;
    ok wait_for(sub { told($anna) eq 'outdated' }), 'a new version';
    diag sprintf 'right after the move: %.0f ms', 1000 * (time - $began);

    my @took;

    for my $version (3 .. 22) {
        is answer_as_script($anna)->status, 200, 'accepted' if $version < 4;
        $cluster->cmd('HSET', 'gc:p', 'terms',
            "version=$version required=$version");
        my $start = time;
        my @workers = map { account('anna') } 1 .. 4;
        wait_for(sub {
            @workers == grep {
                my ($terms) = @{ $_->get('/consent/state')->json->{documents} };
                $terms->{version} == $version;
            } @workers;
        });
        push @took, time - $start;
    }

    cmp_ok max(@took), '<', 0.5, 'later ones are in force at once';
    diag sprintf 'a version: %.1f ms, at most %.1f ms',
        1000 * (sort { $a <=> $b } @took)[@took / 2], 1000 * max(@took);
};


$t->done;
