package ConsentGate::HTTP;

# An HTTP/1.1 client that sends what it is told, right or wrong.

use v5.36;

use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use ConsentGate::HTTP::Jar;
use ConsentGate::HTTP::Response;

use constant TIMEOUT => 10;     # seconds without a byte


sub new ($class, %options) {
    return bless {
        host    => 'localhost',
        timeout => TIMEOUT,
        headers => [],
        %options,
        buffer  => '',
    }, $class;
}


sub jar ($self) {
    return $self->{jar} //= ConsentGate::HTTP::Jar->new;
}


# Methods. Headers are a list of names and values; "Host" => undef sends none.

sub get ($self, $uri, @headers) {
    return $self->request('GET', $uri, \@headers);
}


sub head ($self, $uri, @headers) {
    return $self->request('HEAD', $uri, \@headers);
}


sub post ($self, $uri, $body, @headers) {
    return $self->request('POST', $uri, \@headers, $body);
}


sub request ($self, $method, $uri, $headers = [], $body = undef) {
    my @request = ($method, $uri, $headers, $body);

    my $response = $self->exchange(@request);

    # A server may close a connection that we kept.
    if (!$response && $self->{reused} && $self->{buffer} eq '') {
        $self->close;
        $response = $self->exchange(@request);
    }

    croak "no response to $method $uri" if !$response;

    return $response;
}


sub exchange ($self, $method, $uri, $headers, $body) {
    $self->{reused} = defined $self->{socket};

    my $bytes = $self->format_request($method, $uri, $headers, $body);
    $self->send_raw($bytes) or return;

    return $self->read_response($method);
}


# Several requests, [METHOD, URI, HEADERS, BODY] each, in one write.
sub pipeline ($self, @requests) {
    $self->send_raw(join '', map { $self->format_request(@$_) } @requests);

    return map { $self->read_response($_->[0]) } @requests;
}


sub format_request ($self, $method, $uri, $headers = [], $body = undef) {
    my @headers = (@{ $self->{headers} }, @$headers);
    my %given   = map { lc $headers[$_] => 1 }
        grep { $_ % 2 == 0 } 0 .. $#headers;

    if (ref $body eq 'HASH' || ref $body eq 'ARRAY') {
        $body = form($body);
        push @headers, 'Content-Type' => 'application/x-www-form-urlencoded'
            if !$given{'content-type'};
    }

    unshift @headers, Host => $self->{host} if !$given{host};

    my $cookie = $self->{jar} && $self->{jar}->header($uri);
    push @headers, Cookie => $cookie if $cookie && !$given{cookie};

    push @headers, 'Content-Length' => length $body
        if defined $body && !$given{'content-length'}
           && !$given{'transfer-encoding'};

    my $text = "$method $uri HTTP/1.1\r\n";

    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n" if defined $value;
    }

    return "$text\r\n" . ($body // '');
}


sub form ($fields) {
    my @pairs = ref $fields eq 'ARRAY' ? @$fields
        : map { $_ => $fields->{$_} } sort keys %$fields;
    my @text;

    while (my ($name, $value) = splice @pairs, 0, 2) {
        push @text, map { encode($name) . '=' . encode($_) }
            ref $value ? @$value : $value;
    }

    return join '&', @text;
}


sub encode ($text) {
    $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}


# The connection.

sub connect ($self) {
    return $self->{socket} if $self->{socket};

    my $socket = $self->{unix}
        ? IO::Socket::UNIX->new(Peer => $self->{unix})
        : IO::Socket::INET->new(
            PeerAddr => $self->{address} // '127.0.0.1',
            PeerPort => $self->{port});

    croak "cannot connect: $!" if !$socket;

    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1 if !$self->{unix};
    $self->{buffer} = '';

    return $self->{socket} = $socket;
}


sub close ($self) {
    close delete $self->{socket} if $self->{socket};
    return;
}


# False when the other side has closed.
sub send_raw ($self, $bytes) {
    my $socket = $self->connect;
    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite $socket, $bytes;
        return 0 if !defined $n;
        substr $bytes, 0, $n, '';
    }

    return 1;
}


# Reads until a response to $method is whole. Undef: the connection ended.
sub read_response ($self, $method = 'GET') {
    while (1) {
        my ($response, $rest)
            = ConsentGate::HTTP::Response->parse($self->{buffer}, $method,
                $self->{eof});

        if ($response) {
            $self->{buffer} = $rest;
            $self->took($response);
            return $response;
        }

        if (!$self->read_more) {
            next if $self->{eof} && $self->{buffer} ne '' && !$self->{last}++;
            $self->close;
            delete @$self{qw(eof last)};
            return;
        }
    }
}


sub took ($self, $response) {
    $self->{jar}->store($response) if $self->{jar};

    if ($self->{eof} || lc($response->header('Connection') // '') eq 'close') {
        $self->close;
        delete @$self{qw(eof last)};
    }

    return;
}


sub read_more ($self) {
    my $socket = $self->{socket} or return 0;

    croak "no byte in $self->{timeout} s"
        if !IO::Select->new($socket)->can_read($self->{timeout});

    my $n = sysread $socket, $self->{buffer}, 65_536, length $self->{buffer};
    $self->{eof} = !$n;

    return $n;
}


# Sends every request that $next returns ([METHOD, URI, HEADERS, BODY]; undef
# is the end), at most $concurrency at a time, each on a connection that is
# kept. Calls $done with the response (undef: none) and the request.
sub concurrent ($self, $concurrency, $next, $done) {
    my %busy;
    my $select = IO::Select->new;

    my $start = sub ($client) {
        my $request = $next->() or return $client->close;
        $client->{begin} = $request;
        my $bytes = $client->format_request(@$request);

        # A kept connection that the server has closed, or a new one.
        if (!$client->send_raw($bytes)) {
            $client->close;
            $client->send_raw($bytes);
        }

        $busy{ fileno $client->{socket} } = $client;
        $select->add($client->{socket});
        return;
    };

    $start->($self->clone) for 1 .. $concurrency;

    while ($select->count) {
        my @ready = $select->can_read($self->{timeout})
            or croak "no byte in $self->{timeout} s";

        for my $socket (@ready) {
            my $fd      = fileno $socket;
            my $client  = $busy{$fd};
            my $request = $client->{begin};

            my $more = $client->read_more;
            my ($response, $rest) = ConsentGate::HTTP::Response->parse(
                $client->{buffer}, $request->[0], !$more);
            next if $more && !$response;

            $select->remove($socket);
            delete $busy{$fd};

            $client->{buffer} = $rest // '';
            $response ? $client->took($response) : $client->close;
            delete $client->{eof};

            $done->($response, $request);
            $start->($client);
        }
    }

    return;
}


# Another client with the same settings, a connection of its own and no jar.
sub clone ($self, %options) {
    my %settings = %$self;
    delete @settings{qw(socket buffer jar eof last)};

    return ref($self)->new(%settings, %options);
}

1;

__END__

=head1 NAME

ConsentGate::HTTP - an HTTP/1.1 client for tests

=head1 SYNOPSIS

    my $http = ConsentGate::HTTP->new(port => 8080);

    my $r = $http->get('/', Accept => 'text/html');
    say $r->status, $r->header('Location'), $r->body;

    $http->jar;                          # from now on cookies are kept
    $http->post('/consent/accept', { document => ['terms', 'privacy'] });

    my @r = $http->pipeline(['GET', '/1'], ['GET', '/2']);

    $http->concurrent(64, sub { shift @requests }, sub ($r, $request) { ... });

=head1 METHODS

=over

=item C<new(port =E<gt> N, %options)>

Options: C<address> (127.0.0.1), C<unix> (a socket's path), C<host> (what the
Host header says), C<headers> (an array sent with every request), C<timeout>.

=item C<get($uri, @headers)>, C<head>, C<post($uri, $body, @headers)>, C<request($method, $uri, \@headers, $body)>

One response, on a connection that is kept. A body that is a hash or an array
of pairs is sent as a form; a value may be a list. A header whose value is
undef is not sent: C<< Host => undef >>.

=item C<pipeline(@requests)>, C<concurrent($n, $next, $done)>

=item C<jar>

The cookie jar, which is made by the first call.

=item C<send_raw($bytes)>, C<read_response($method)>, C<close>

The parts, for requests that are wrong on purpose.

=item C<clone(%options)>

=back

=cut
