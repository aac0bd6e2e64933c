package ConsentGate::Resp;

# RESP2, the protocol of Redis, as bytes and as Perl values.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);

our @EXPORT_OK = qw(resp_command resp_encode resp_decode);


sub resp_command (@words) {
    return '*' . @words . "\r\n"
        . join '', map { '$' . length($_) . "\r\n$_\r\n" } @words;
}


# undef: nil; \"OK": a status; \-1: an integer; an Error object; an array; else
# a bulk string.
sub resp_encode ($value) {
    return "\$-1\r\n" if !defined $value;
    return "-$$value\r\n" if ref $value eq 'ConsentGate::Resp::Error';
    return ($$value =~ /^-?\d+$/ ? ':' : '+') . "$$value\r\n"
        if ref $value eq 'SCALAR';
    return '*' . @$value . "\r\n" . join '', map { resp_encode($_) } @$value
        if ref $value eq 'ARRAY';

    return '$' . length($value) . "\r\n$value\r\n";
}


# Takes one value off $$bytes. Returns a reference to it, or nothing when it
# is not whole. Statuses and integers come as plain values.
sub resp_decode ($bytes) {
    my $copy  = $$bytes;
    my $value = take(\$copy) or return;

    $$bytes = $copy;

    return $value;
}


sub take ($bytes) {
    $$bytes =~ s/^([-+:\$*])([^\r\n]*)\r\n// or return;
    my ($type, $text) = ($1, $2);

    return \$text if $type eq '+' || $type eq ':';
    return \ConsentGate::Resp::Error->new($text) if $type eq '-';
    return \undef if $text == -1;

    if ($type eq '$') {
        return if length $$bytes < $text + 2;
        my $bulk = substr $$bytes, 0, $text + 2, '';
        substr $bulk, -2, 2, '';
        return \$bulk;
    }

    my @list;

    for (1 .. $text) {
        my $item = take($bytes) or return;
        push @list, $$item;
    }

    return \\@list;
}


package ConsentGate::Resp::Error;

sub new ($class, $text) { return bless \$text, $class }
sub text ($self) { return $$self }

1;

__END__

=head1 NAME

ConsentGate::Resp - encode and decode RESP2

=head1 SYNOPSIS

    resp_command('SET', 'a', 1)          # what a client sends
    resp_encode(\'OK')                   # +OK
    resp_encode(\7)                      # :7
    resp_encode('seven')                 # $5 seven
    resp_encode(undef)                   # $-1
    resp_encode([\1, [undef]])           # *2 :1 *1 $-1
    resp_encode(ConsentGate::Resp::Error->new('ERR no'))

    my $value = resp_decode(\$buffer);   # a reference, or nothing

=cut
