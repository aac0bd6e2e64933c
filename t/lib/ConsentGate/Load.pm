package ConsentGate::Load;

# Readers and writers, all at once, while something happens to the store. Each
# answer is looked at; what was acknowledged is looked for afterwards.

use v5.36;

use Exporter qw(import);
use JSON::PP ();
use Test::More ();
use Time::HiRes qw(time);

use ConsentGate::Flow;

our @EXPORT = qw(load_site);

use constant { READERS => 200, AT_ONCE => 24 };

my $JSON = JSON::PP->new;


# The site, with consent_store as it is given. Without a cache each request is
# a question to the store.
sub load_site ($consent, %options) {
    return flow_site(
        http   => 'consent_purpose analytics; consent_purpose support;'
            . ($options{http} // ''),
        server => 'consent_subject $http_x_test_account; access_log off;
            keepalive_requests 1000000;
            location /who {
                add_header X-Who "$consent_subject $consent_purposes" always;
                try_files /index.html =404;
            }
            location = /status { consent_status json; }'
            . ($options{server} // ''),
    ) =~ s/%%CONSENT%%/$consent/r;
}


# test; store: of ConsentGate::Redis or what looks like it.
sub new ($class, %options) {
    my $self = bless { writer => 0, acked => {}, %options }, $class;

    $self->{http} //= $self->{test}->script('DE', timeout => 30);
    $self->put_records;

    return $self;
}


# What a reader has said depends on its number.
sub put_records ($self) {
    for my $n (0 .. READERS - 1) {
        my $key = key_of(account => "reader$n");
        my ($analytics, $support) = ($n & 1, $n >> 1 & 1);
        my $behind = $n % 5 == 4;

        my $reply = $self->{store}->cmd('HSET', $key->{record},
            k => $key->{check}, rev => $n + 1,
            'd.terms' => $behind ? '-' : 1, 'd.privacy' => 1,
            'd.cookies' => 1, 'p.analytics' => $analytics,
            'p.support' => $support);
        die $reply->text if ref $reply;

        push @{ $self->{want} }, {
            status => $behind ? 403 : 200,
            reason => $behind ? 'declined' : 'accepted',
            who    => "$key->{name} analytics=$analytics,support=$support",
            name   => $key->{name},
        };
    }

    return;
}


# Until $more, which is called between requests, says no. Returns what came:
# wrong => [texts], ok, down, acked, refused, and when the store was away.
sub run ($self, $more) {
    my %seen = (wrong => [], ok => 0, down => 0, acked => 0, refused => 0,
        began => time);
    my @open;       # answers to be sent: those that were refused, again

    $self->{http}->concurrent(AT_ONCE, sub {
        return if !$more->(\%seen);
        return shift @open if @open && rand() < 0.7;
        return $self->ask_state if rand() < 0.3;
        return $self->ask_who;
    }, sub ($response, $request) {
        my $took = $self->took(\%seen, $response, $request);
        push @open, $took if $took;
    });

    return \%seen;
}


sub ask_who ($self) {
    my $n = int rand READERS;
    return ['GET', '/who', ['X-Test-Account' => "reader$n"]];
}

sub ask_state ($self) {
    my $n = $self->{writer}++;
    return ['GET', '/consent/state', ['X-Test-Account' => "writer$n"]];
}


# Returns a request that is to follow.
sub took ($self, $seen, $response, $request) {
    if (!$response) {
        push @{ $seen->{wrong} }, "no answer to $request->[0] $request->[1]";
        return;
    }

    my ($n) = $request->[2][1] =~ /(\d+)/;

    return $self->took_who($seen, $response, $n) if $request->[1] eq '/who';
    return $self->took_state($seen, $response, $n) if $request->[0] eq 'GET';
    return $self->took_answer($seen, $response, $n, $request);
}


sub took_who ($self, $seen, $response, $n) {
    my $want = $self->{want}[$n];
    my ($reason) = $response->header('Consent-Gate') =~ /reason=(\w+)/;
    my $who = $response->header('X-Who') // '';

    if ($reason eq 'store_down' && $response->status == 200
        && $who =~ /^\Q$want->{name}\E /)
    {
        $seen->{down}++;
        $self->away($seen);
        return;
    }

    if ($response->status == $want->{status} && $reason eq $want->{reason}
        && $who eq $want->{who})
    {
        $seen->{ok}++;
        return;
    }

    push @{ $seen->{wrong} }, "reader$n: " . $response->status
        . " $reason $who";

    return;
}


sub took_state ($self, $seen, $response, $n) {
    my $state = eval { $response->json };

    if ($response->status != 200 || !$state->{token}) {
        push @{ $seen->{wrong} }, 'state: ' . $response->status;
        return;
    }

    if ($state->{reason} eq 'store_down') {
        $seen->{down}++;
        $self->away($seen);
        return;
    }

    if ($state->{reason} ne 'missing') {
        push @{ $seen->{wrong} }, "state of writer$n: $state->{reason}";
        return;
    }

    return ['POST', '/consent/accept',
        ['X-Test-Account' => "writer$n", 'Content-Type' => 'application/json'],
        $JSON->encode({ token => $state->{token},
            documents => $state->{missing} })];
}


# Recorded, or to be sent again: nothing else.
sub took_answer ($self, $seen, $response, $n, $request) {
    if ($response->status == 200) {
        $seen->{acked}++;
        $self->{acked}{$n} = 1;
        return;
    }

    if ($response->status == 503 && ($response->header('Retry-After') // '')
        eq '5')
    {
        $seen->{refused}++;
        $self->away($seen);
        return $request;
    }

    push @{ $seen->{wrong} }, "answer of writer$n: " . $response->status
        . ' ' . $response->body;

    return;
}


sub away ($self, $seen) {
    $seen->{first} //= time;
    $seen->{last} = time;
    return;
}


# A load during which something happens after half a second, and which goes on
# for some seconds; and on while $still says so.
sub during ($self, $seconds, $happens, $still = sub { 0 }) {
    my ($began, $end) = (time);

    return $self->run(sub ($seen) {
        if (!$end && time > $began + 0.5) {
            $happens->();
            $end = time + $seconds;
        }

        return !$end || time < $end || (time < $end + 30 && $still->());
    });
}


# Looks at what a run has seen, and tells how it was.
sub check ($self, $seen) {
    my @wrong = @{ $seen->{wrong} };
    $#wrong = 4 if $#wrong > 4;

    Test::More::is_deeply(\@wrong, [],
        'each answer is right, or says that the store is away');
    Test::More::cmp_ok($seen->{acked}, '>', 0, 'answers were recorded');
    Test::More::is_deeply([$self->missing], [],
        'and each of them is there, once');
    Test::More::diag(sprintf '%d right, %d without the store, %d answers '
        . 'recorded, %d to be sent again; away for %.2f s',
        @$seen{qw(ok down acked refused)}, $self->window($seen));

    return;
}


# Seconds from the first request that went without the store to the last.
sub window ($self, $seen) {
    return exists $seen->{first} ? $seen->{last} - $seen->{first} : 0;
}


# All that was acknowledged is there, once: returns what is not.
sub missing ($self) {
    my (%events, @wrong);

    $events{ $_->{subject} }++ for events($self->{store});

    for my $n (sort { $a <=> $b } keys %{ $self->{acked} }) {
        my $key  = key_of(account => "writer$n");
        my $hash = $self->{store}->hash($key->{record});
        my $many = $events{ $key->{name} } // 0;

        push @wrong, "writer$n: "
            . join(' ', map { "$_=$hash->{$_}" } sort keys %$hash)
            . ", $many events"
            if ($hash->{'d.terms'} // '') ne '1' || $hash->{rev} ne '1'
            || $many != 1;
    }

    # those that nobody was told of: recorded once, or not at all
    push @wrong, map { "$_: $events{$_} events" }
        grep { $events{$_} > 1 } sort keys %events;

    return @wrong;
}

sub acknowledged ($self) { return scalar keys %{ $self->{acked} } }

1;

__END__

=head1 NAME

ConsentGate::Load - a load whose every answer is checked

=head1 SYNOPSIS

    $t->nginx(load_site($cluster->consent), workers => 2);
    my $load = ConsentGate::Load->new(test => $t, store => $cluster);

    my $seen = $load->run(sub ($seen) { time < $end });
    is_deeply $seen->{wrong}, [];
    is_deeply [$load->missing], [];
    note $load->window($seen);

=cut
