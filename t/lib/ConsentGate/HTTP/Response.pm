package ConsentGate::HTTP::Response;

use v5.36;

use Carp qw(croak);
use JSON::PP ();


# Returns a response and the bytes behind it; nothing when it is not whole.
# $ended: no more bytes will come.
sub parse ($class, $bytes, $method = 'GET', $ended = 0) {
    my $end = index $bytes, "\r\n\r\n";
    return if $end < 0;

    my ($line, @lines) = split /\r\n/, substr $bytes, 0, $end;
    my ($status, $reason) = $line =~ m{^HTTP/1\.[01] (\d{3}) ?(.*)$}
        or croak "not a status line: $line";

    my @headers = map { /^([^:]+):\s*(.*?)\s*$/ ? [$1, $2] : () } @lines;
    my $self = bless {
        status  => $status,
        reason  => $reason,
        headers => \@headers,
        head    => substr($bytes, 0, $end + 4),
        body    => '',
    }, $class;

    my $rest = substr $bytes, $end + 4;

    if ($status < 200 && $status != 101) {      # 100 Continue: the next one
        return $class->parse($rest, $method, $ended);
    }

    return ($self, $rest)
        if $method eq 'HEAD' || $status =~ /^(?:101|204|304)$/;

    return $self->take_body($rest, $ended);
}


sub take_body ($self, $rest, $ended) {
    if (lc($self->header('Transfer-Encoding') // '') eq 'chunked') {
        return $self->take_chunks($rest);
    }

    my $length = $self->header('Content-Length');

    if (!defined $length) {                     # until the connection ends
        return if !$ended;
        $self->{body} = $rest;
        return ($self, '');
    }

    return if length $rest < $length;

    $self->{body} = substr $rest, 0, $length, '';
    return ($self, $rest);
}


sub take_chunks ($self, $rest) {
    while ($rest =~ /^([0-9a-fA-F]+)[^\r\n]*\r\n/) {
        my ($head, $size) = ($+[0], hex $1);

        return if length $rest < $head + $size + 2;

        $self->{body} .= substr $rest, $head, $size;
        $rest = substr $rest, $head + $size + 2;

        return ($self, $rest) if $size == 0;
    }

    return;
}


sub status ($self) { return $self->{status} }
sub reason ($self) { return $self->{reason} }
sub body   ($self) { return $self->{body} }
sub head   ($self) { return $self->{head} }


# Every value of a header, in order.
sub headers ($self, $name) {
    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
        @{ $self->{headers} };
}


# The values of a header joined by commas; undef when there is none.
sub header ($self, $name) {
    my @values = $self->headers($name);
    return @values ? join ', ', @values : undef;
}


sub location ($self) { return $self->header('Location') }


# The Set-Cookie line of a cookie.
sub cookie ($self, $name) {
    my ($line) = grep { /^\Q$name\E=/ } $self->headers('Set-Cookie');
    return $line;
}


sub json ($self) {
    return JSON::PP->new->utf8->decode($self->{body});
}

1;

__END__

=head1 NAME

ConsentGate::HTTP::Response - what a server answered

=head1 METHODS

C<status>, C<reason>, C<header($name)> (joined), C<headers($name)> (a list),
C<location>, C<cookie($name)> (the Set-Cookie line), C<body> (chunks put
together), C<json>, C<head> (the raw status line and headers).

=cut
