use v5.36;

# A merge takes four steps, and anything may happen between them: the client
# leaves, nginx is reloaded, Redis is away. Nothing is lost, nothing is said
# twice, and it is done later. At the end in a cluster, where the two records
# lie on different nodes, and with visits that are remembered.

use lib 't/lib';
use MIME::Base64 qw(decode_base64url);
use Test::More;
use Time::HiRes ();
use ConsentGate::Flow;
use ConsentGate::Test;

use constant { PEOPLE => 40, ROUNDS => 3 };

my $t = ConsentGate::Test->new;

my $COOKIE = '__Host-consent';
my $today  = int(time / 86_400);

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

sub site (%options) {
    my $text = flow_site(
        http   => "consent_purpose analytics; consent_visitor_cookie $COOKIE"
            . ' secure=on;' . ($options{http} // ''),
        server => <<'END',
            consent_remember_eea 180d;
            consent_subject $http_x_account;
            location = /status { consent_status json; }
END
    );

    return $options{store} ? $text =~ s/%%CONSENT%%/$options{store}/r : $text;
}

$t->nginx(site(), workers => 2);

my $redis = $t->redis;
my $n = 0;

# Somebody who has refused as a visitor, and logs in.
sub person () {
    my $name    = 'p' . ++$n;
    my $browser = $t->browser('DE', headers => ['X-Account' => $name]);
    my $visitor = $t->browser('DE', jar => $browser->jar);

    show($visitor);
    my $id = substr decode_base64url($visitor->jar->get($COOKIE)), 0, 16;

    return { name => $name, browser => $browser, id => $id,
        account => key_of(account => $name), visitor => key_of(visitor => $id) };
}

sub refuse ($store, $p) {
    return $store->cmd('HSET', $p->{visitor}{record}, k => $p->{visitor}{check},
        rev => 1, 'p.analytics' => 0, 'd.terms' => '-');
}

sub people ($store = $redis) {
    my @people = map { person() } 1 .. PEOPLE;
    refuse($store, $_) for @people;
    return @people;
}

# What a person's records are: "before", "between" (step three is done, and
# four is not), "after", or what is wrong.
sub state_of ($store, $p) {
    my ($account, $visitor) = map { $store->hash($p->{$_}{record}) }
        qw(account visitor);
    my $said  = exists $visitor->{'p.analytics'};
    my $taken = ($account->{'p.analytics'} // '') eq '0'
        && ($account->{'d.terms'} // '') eq '-';

    return $said ? 'between' : $account->{rev} == 1 ? 'after' : 'twice'
        if $taken;
    return $said ? 'before' : 'lost';
}

sub states ($store, @people) {
    my %count;
    $count{ state_of($store, $_) }++ for @people;
    return \%count;
}

# Everybody comes again until all is done.
sub settles ($store, @people) {
    return wait_for(sub {
        $_->{browser}->get('/') for @people;
        my $states = states($store, @people);
        return ($states->{after} // 0) == @people;
    }, 20);
}


subtest 'clients that leave' => sub {
    for my $round (1 .. ROUNDS) {
        my @people = people();

        for my $p (@people) {
            my $http = $p->{browser}->clone(jar => $p->{browser}->jar);
            $http->send_raw($http->format_request('GET', '/'));
            select undef, undef, undef, rand 0.002;
            $http->close;
        }

        $_->{browser}->get('/') for @people;
        my $states = states($redis, @people);
        is $states->{lost}, undef, 'nothing is lost';
        is $states->{twice}, undef, 'nor said twice';
        ok settles($redis, @people), 'all is done in the end'
            or diag explain(states($redis, @people));
    }
};

subtest 'two at once' => sub {
    my @people = people();

    for my $p (@people) {
        my @both = map { $p->{browser}->clone(jar => $p->{browser}->jar) } 1, 2;
        $_->send_raw($_->format_request('GET', '/')) for @both;
        $_->read_response for @both;
    }

    ok settles($redis, @people), 'all is done';
    is scalar(grep { $redis->hash($_->{account}{record})->{rev} == 1 } @people),
        PEOPLE, 'once';
    my %events;
    $events{ $_->{id} }++ for grep { $_->{what} eq 'merge' } events($redis);
    is_deeply [grep { $events{$_} > 1 } keys %events], [], 'one event each';
};

subtest 'reloads' => sub {
    my @people = people();
    my @rest   = @people;
    my $bad    = 0;

    my $k = 0;

    for my $p (@people) {
        ok $t->reload, 'reload' if $k++ % 10 == 5;
        my $r = $p->{browser}->get('/');
        $bad++ if $r->status != 302;
    }

    is $bad, 0, 'each is answered by what the visitor has said';
    ok settles($redis, @people), 'and all is done';
};

subtest 'Redis away' => sub {
    $t->allow_log(qr/consent/);
    my @people = people();
    $redis->freeze;

    $_->{browser}->send_raw($_->{browser}->format_request('GET', '/'))
        for @people[0 .. 5];
    $redis->thaw;
    $_->{browser}->read_response for @people[0 .. 5];

    $redis->stop;
    my %status;
    $status{ $_->{browser}->get('/')->status }++ for @people[6 .. 11];
    is_deeply [sort keys %status], [200], 'who comes is served';
    $redis->start;
    refuse($redis, $_) for @people;                 # nothing was on disk

    # of either worker: each has a connection of its own, and comes back on its
    # own; clients that have no connection yet meet both
    ok wait_for(sub {
        20 == grep { $_->clone->get('/')->status == 302 }
            ($people[0]{browser}) x 20;
    }, 10), 'Redis is back';
    is states($redis, @people)->{lost}, undef, 'nothing is lost';
};

subtest 'accounts that have a record' => sub {
    my @people = people();

    $redis->cmd('HSET', $_->{account}{record}, k => $_->{account}{check},
        rev => 5, 'p.analytics' => 1) for @people;
    $_->{browser}->get('/') for @people;

    my %seen;
    $seen{ join ' ', map { $_ // '' } @{ $redis->hash($_->{account}{record}) }
        {qw(rev p.analytics d.terms)} }++ for @people;
    is_deeply \%seen, { '6 0 -' => PEOPLE }, 'keep it, by one write more';
};

subtest 'a cluster' => sub {
    my $cluster = $t->cluster(masters => 3);
    ok $t->reload(site(store => $cluster->consent('', ($cluster->nodes)[0])
        =~ s/consent_remember_eea off;//r), workers => 2), 'three masters';
    my ($there) = people($cluster);
    ok wait_for(sub { $there->{browser}->get('/')->status == 302 }, 10), 'up';

    my @people = people($cluster);
    my $apart = grep { $cluster->slot($_->{account}{record})
        != $cluster->slot($_->{visitor}{record}) } @people;
    cmp_ok $apart, '>', PEOPLE / 2, 'two records, two slots';

    is $_->{browser}->get('/')->status, 302, $_->{name} for @people;
    is_deeply states($cluster, @people), { after => PEOPLE }, 'all go over';

    ok wait_for(sub {
        PEOPLE == grep { ($cluster->hash($_->{account}{record})->{eea} // 0)
            == $today } @people
    }, 10), 'and the visit of each is remembered, on whatever node';
};

# Redis answers, but late, and every write meets another one.
subtest 'no end of it' => sub {
    my $p = person();
    my %record = (
        $p->{visitor}{record} => { k => $p->{visitor}{check}, rev => 1,
            'p.analytics' => 0 },
        $p->{account}{record} => { k => $p->{account}{check}, rev => 5 },
    );
    my $fake = $t->fake(
        HGETALL => [],
        HMGET   => sub ($name, $key, @fields) {
            return [map { $record{$key}{$_} } @fields];
        },
        EVALSHA => { reply => ['conflict', \9], delay => 0.3 },
    );
    my $store = ConsentGate::Test::consent_block()
        =~ s/%%REDIS%%/$fake->address/er
        =~ s/^(\s+write_timeout\s+)\w+/$1 . '500ms'/mer;
    ok $t->reload(site(store => $store), workers => 1), 'reload';

    my $before = Time::HiRes::time();
    is $p->{browser}->get('/')->status, 302, 'is answered';
    cmp_ok Time::HiRes::time() - $before, '<', 1, 'within twice write_timeout';
    is scalar($fake->seen('EVALSHA')), 2, 'after the second write';
    like $t->log, qr/was not added to an account: timed out/, 'and is logged';
};

$t->done;
