package ConsentGate::Mix;

# Requests of every kind, and which answers to them are right.

use v5.36;

use Exporter qw(import);
use List::Util qw(sum);

use ConsentGate::Flow;

our @EXPORT = qw(mix_pages mix_site);

use constant SPREAD => 4000;    # accounts; the cache has room for fewer

my @JSON = ('Content-Type' => 'application/json');
my @FORM = ('Content-Type' => 'application/x-www-form-urlencoded');


sub mix_pages ($t) {
    $t->page('index.html', 'home');
    $t->page('policy-update.html', flow_page);
    return;
}


# A site with a cache, for nginx().
sub mix_site () {
    return flow_site(
        http => <<'END',
            consent_purpose analytics;
            consent_cache zone=mix:256k;
            keepalive_requests 1000000;
END
        server => <<'END',
            access_log off;
            consent_subject $http_x_test_account;
            location = /closed {
                consent_on_error closed;
                try_files /index.html =404;
            }
            location = /status { consent_status prometheus; }
END
    );
}


# Needs a running nginx: somebody accepts, and so does a visitor.
sub new ($class, $t) {
    my $self = bless { t => $t, plain => $t->http, account => 0 }, $class;

    my $anna    = $t->script('DE', headers => account('anna'));
    my $visitor = $t->browser('DE');

    $self->{anna}  = $anna;
    $self->{state} = $anna->get('/consent/state')->json;

    for my $response (answer_as_script($anna, state => $self->{state}),
        answer($visitor))
    {
        die 'not accepted: ' . $response->status if $response->status >= 400;
    }

    $self->{cookies} = $visitor->jar->header('/');
    $self->{kinds}   = [$self->kinds];

    return $self;
}


# Who has accepted.
sub anna ($self) { return $self->{anna} }

sub account ($name) { return ['X-Test-Account' => $name] }


# who, method, URI, headers or code for them, body; the right status, and
# those that are right too while Redis is away.
sub kinds ($self) {
    my $t       = $self->{t};
    my $de      = $t->script('DE');
    my $us      = $t->script('US');
    my $browser = $t->browser('DE');
    my $anna    = account('anna');
    my $other   = sub { account('acc' . ++$self->{account} % SPREAD) };
    my @json    = (@$anna, @JSON);
    my $again   = qq({"token":"$self->{state}{token}",)
        . '"documents":["terms","privacy","cookies"]}';

    return (
        [$de, 'GET', '/', $anna, undef, 200],
        [$de, 'GET', '/', $other, undef, 403, 200],
        [$de, 'GET', '/closed', $anna, undef, 200, 503],
        [$de, 'GET', '/closed', $other, undef, 403, 503],
        [$us, 'GET', '/', [], undef, 200],
        [$us, 'GET', '/', $anna, undef, 200],
        [$browser, 'GET', '/', [], undef, 302, 200],
        [$browser, 'HEAD', '/x?y', [], undef, 302, 404],
        [$browser, 'GET', '/', [Cookie => $self->{cookies}], undef, 200],
        [$browser, 'GET', '/', [Cookie => 'consent=' . 'A' x 32], undef, 302,
            200],
        [$browser, 'POST', '/', [], 'a=b', 403, 405],
        [$de, 'GET', '/no.js', ['Sec-Fetch-Dest' => 'script'], undef, 404],
        [$de, 'GET', '/no.js', $anna, undef, 404],
        [$browser, 'GET', '/policy-update?return=/x&need=terms', [], undef,
            200],
        [$browser, 'GET', '/policy-update', $other, undef, 200],
        [$de, 'GET', '/consent/state', $anna, undef, 200],
        [$de, 'GET', '/consent/state', [], undef, 200],
        [$de, 'GET', '/consent/nothing', $other, undef, 404],
        [$de, 'POST', '/consent/accept', \@json, $again, 200, 503],
        [$de, 'POST', '/consent/accept', \@json, $again =~ s/terms/other/r,
            422, 503],
        [$de, 'POST', '/consent/decline', \@json, '{"token":', 400, 503],
        [$browser, 'POST', '/consent/accept', \@FORM,
            'token=x&document=terms', 403, 503],
        [$de, 'POST', '/consent/accept', [], 'x', 415, 503],
        [$de, 'GET', '/status', [], undef, 200],
    );
}


# The number of a kind, by chance.
sub any ($self) { return int rand @{ $self->{kinds} } }

# The right statuses of a kind; the first one while all is well.
sub statuses ($self, $k) {
    my $kind = $self->{kinds}[$k];
    return @$kind[5 .. $#$kind];
}


sub request ($self, $k, @more) {
    my ($who, $method, $uri, $headers, $body) = @{ $self->{kinds}[$k] };

    $headers = $headers->() if ref $headers eq 'CODE';

    # not in the cookie jar: each request stands for itself
    return [$method, $uri, [@{ $who->{headers} }, @$headers, @more], $body];
}


sub bytes ($self, $k, @more) {
    return $self->{plain}->format_request(@{ $self->request($k, @more) });
}


# Requests on 16 connections until $more, which gets their number, says no;
# what was answered, by kind and status.
sub run ($self, $more, @headers) {
    my (%got, %kind, $n);

    $self->{plain}->concurrent(16, sub {
        return if !$more->(++$n);
        my $k = $self->any;
        my $request = $self->request($k, @headers);
        $kind{$request} = $k;
        return $request;
    }, sub ($response, $request) {
        my $k = delete $kind{$request};
        $got{$k}{ $response ? $response->status : 'nothing' }++;
    });

    return \%got;
}


sub total ($got) { return sum(map { values %$_ } values %$got) }


# The answers that are not right, a line each; with and without Redis.
sub wrong ($self, $got, %options) {
    my @wrong;

    for my $k (sort { $a <=> $b } keys %$got) {
        my @right = $self->statuses($k);
        $#right = 0 if !$options{down};

        for my $status (sort keys %{ $got->{$k} }) {
            push @wrong, sprintf '%s %s (kind %d): %s, %d times',
                @{ $self->{kinds}[$k] }[1, 2], $k, $status, $got->{$k}{$status}
                if !grep { $_ eq $status } @right;
        }
    }

    return join "\n", @wrong;
}

1;

__END__

=head1 NAME

ConsentGate::Mix - a load of requests of every kind

=head1 SYNOPSIS

    mix_pages($t);
    $t->nginx(mix_site, workers => 2);
    my $mix = ConsentGate::Mix->new($t);

    my $got = $mix->run(sub ($n) { $n <= 1000 });
    is $mix->wrong($got), '', 'every answer is right';

    print {$socket} $mix->bytes($mix->any);

=cut
